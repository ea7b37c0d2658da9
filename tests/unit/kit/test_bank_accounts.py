"""One rule for every bank account, a merchant's, a recipient's or the programme's own."""

import pytest

from obverse.kit.bank_accounts import check_bank_account
from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import Secret

ACCOUNTS = {
    "ordinary": ({}, None),
    "shortest": ({"number": "123456"}, None),
    "longest": ({"number": "1" * 16}, None),
    "Korean holder": ({"holder": "한빛몰"}, None),
    "too short": ({"number": "12345"}, "account.number"),
    "too long": ({"number": "1" * 17}, "account.number"),
    "hyphens": ({"number": "110-123-456789"}, "account.number"),
    "wide digits": ({"number": "１１０１２３"}, "account.number"),
    "bank code of two": ({"bank_code": "08"}, "account.bank_code"),
    "bank code of letters": ({"bank_code": "KBX"}, "account.bank_code"),
    "no holder": ({"holder": ""}, "account.holder"),
    "blank holder": ({"holder": "  "}, "account.holder"),
    "long holder": ({"holder": "x" * 71}, "account.holder"),
    "holder of two lines": ({"holder": "Mall\nand Sons"}, "account.holder"),
}


@pytest.mark.parametrize(("changes", "wrong"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_what_no_bank_could_pay_to_is_refused_by_its_field_and_not_repeated(
    changes: dict[str, str], wrong: str | None
) -> None:
    told = {"bank_code": "088", "number": "110123456789", "holder": "Hanbit Mall"} | changes
    account = told["bank_code"], Secret(told["number"]), told["holder"]
    if wrong is None:
        check_bank_account(*account)
        return
    with pytest.raises(InvalidRequest) as refused:
        check_bank_account(*account)
    assert refused.value.param == wrong
    assert told["number"] not in str(refused.value)
