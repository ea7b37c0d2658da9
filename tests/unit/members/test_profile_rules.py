"""What a profile must look like (WA-1), and whose form it is (WA-8)."""

from datetime import date
from typing import Any

import pytest
from tests.factories.members import ANSWER, PASSWORD, QUESTION, a_profile, an_application

from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import Secret
from obverse.members import BirthCalendar, HolderForm, ProfileChange
from obverse.members.profile_rules import answer, changed_profile, clean_profile, is_about, key_of

TODAY = date(2026, 11, 20)
LUNAR = {"calendar": BirthCalendar.LUNAR}


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        pytest.param({"chosen_id": "hong123"}, "member_id", id="ID of 7"),
        pytest.param({"chosen_id": "hong123456789"}, "member_id", id="ID of 13"),
        pytest.param({"chosen_id": "hong_1234"}, "member_id", id="ID with other signs"),
        pytest.param({"chosen_id": "hоng12345"}, "member_id", id="ID with a Cyrillic o"),
        pytest.param({"chosen_id": "홍길동12345"}, "member_id", id="Korean ID"),
        pytest.param({"chosen_id": "hong1234\n"}, "member_id", id="ID with a line break"),
        pytest.param({"nickname": "길동이"}, "nickname", id="nickname of 3"),
        pytest.param({"nickname": "g" * 13}, "nickname", id="nickname of 13"),
        pytest.param({"nickname": "gil dong"}, "nickname", id="nickname with a space"),
        pytest.param({"nickname": "gil\u202edong"}, "nickname", id="nickname that turns around"),
        pytest.param({"nickname": "gil\u200bdong"}, "nickname", id="nickname with nothing in it"),
        pytest.param({"nickname": "а" * 6}, "nickname", id="nickname in Cyrillic"),
        pytest.param({"nickname": "ﷺ" * 4}, "nickname", id="nickname that grows"),
        pytest.param({"nickname": "x" * 1_000_000}, "nickname", id="nickname of a million"),
        pytest.param({"name": Secret("  ")}, "name", id="blank name"),
        pytest.param({"name": Secret("홍\x00")}, "name", id="name with NUL"),
        pytest.param({"name": Secret("12345")}, "name", id="name of digits"),
        pytest.param({"name": Secret("ﷺ" * 60)}, "name", id="name that grows"),
        pytest.param({"latin_name": Secret("홍길동")}, "latin_name", id="Latin name in Korean"),
        pytest.param({"birth_date": Secret("1990-02-30")}, "birth_date", id="no such day"),
        pytest.param({"birth_date": Secret("2026-11-21")}, "birth_date", id="born tomorrow"),
        pytest.param({"birth_date": Secret("1899-12-31")}, "birth_date", id="born too long ago"),
        pytest.param({"birth_date": Secret("900517")}, "birth_date", id="other form"),
        pytest.param({"birth_date": Secret("1990-02-31"), **LUNAR}, "birth_date", id="no lunar day"),
        pytest.param({"mail": Secret("gildong")}, "mail", id="no mail address"),
        pytest.param({"mail": Secret("a@b.example\nBcc: all@b.example")}, "mail", id="two mail addresses"),
        pytest.param({"mail": Secret("gıldong@mail.example")}, "mail", id="dotless i"),
        pytest.param({"mobile": Secret("010-1234-5678")}, "mobile", id="mobile without country"),
        pytest.param({"mobile": Secret("+82101234567890123")}, "mobile", id="mobile too long"),
        pytest.param({"time_zone": "Asia/Atlantis"}, "time_zone", id="no such zone"),
        pytest.param({"time_zone": "../../etc/passwd"}, "time_zone", id="zone that is a path"),
        pytest.param({"question": Secret("")}, "question", id="empty question"),
    ],
)  # fmt: skip
def test_wa1_what_cannot_be_a_profile_is_refused_by_field_and_not_repeated(
    changes: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        clean_profile(a_profile(**changes), TODAY)
    assert refused.value.param == param
    value = next(iter(changes.values()))
    plain = value.reveal() if isinstance(value, Secret) else value
    assert len(plain) < 3 or plain not in str(refused.value)


def test_wa1_a_profile_is_kept_in_one_form() -> None:
    given = a_profile(
        chosen_id="ＨＯＮＧ１２３４",
        nickname="길동이네집",
        name=Secret("  홍   길동 "),
        birth_date=Secret("1990-02-30"),
        calendar=BirthCalendar.LUNAR,
        mobile=Secret("+82 10-1234-5678"),
    )
    kept = clean_profile(given, TODAY)
    assert (kept.chosen_id, kept.nickname) == ("HONG1234", "길동이네집")
    assert kept.person.name == Secret("홍 길동")
    assert kept.person.mobile == Secret("+821012345678")


@pytest.mark.parametrize("other", ["HONG1234", "ｈｏｎｇ１２３４"], ids=["capitals", "wide"])
def test_ids_that_look_alike_have_one_key(other: str) -> None:
    assert key_of(other) == key_of("hong1234")


def test_a_change_leaves_what_it_does_not_name() -> None:
    profile = clean_profile(a_profile(), TODAY)
    changed = changed_profile(profile, ProfileChange(nickname="새별명이요", name=Secret("김길동")), TODAY)
    assert (changed.nickname, changed.person.name) == ("새별명이요", Secret("김길동"))
    assert changed.person.latin_name == profile.person.latin_name
    assert changed.language == profile.language


def test_p11_nothing_of_an_application_shows_when_it_is_printed() -> None:
    profile = a_profile()
    shown = repr(an_application(profile=profile, answer=ANSWER))
    person = profile.person
    hidden = [PASSWORD, ANSWER, QUESTION, person.name, person.latin_name, person.birth_date]
    for secret in (*hidden, person.mail, person.mobile):
        assert secret.reveal() not in shown


@pytest.mark.parametrize(
    "written", ["The Red Baron", " the  RED baron! ", "ｔｈｅ red-baron"], ids=["as set", "spacing", "wide"]
)
def test_wa2_an_answer_is_the_same_however_it_is_typed(written: str) -> None:
    assert answer(Secret(written)) == Secret("theredbaron")


@pytest.mark.parametrize("written", ["", "?!", "a", "ﷺ" * 100], ids=["none", "signs", "short", "long"])
def test_wa2_what_is_no_answer_is_refused(written: str) -> None:
    with pytest.raises(InvalidRequest):
        answer(Secret(written))


@pytest.mark.parametrize(
    ("form", "same"),
    [
        pytest.param({}, True, id="as kept"),
        pytest.param({"name": "HONG GILDONG"}, True, id="Latin name, otherwise written"),
        pytest.param({"name": "홍 길 동"}, True, id="name with spaces"),
        pytest.param({"phone": "010-1234-5678"}, True, id="phone as at home"),
        pytest.param({"phone": "+82 10 1234 5678"}, True, id="phone with country"),
        pytest.param({"mail": "GilDong@Mail.Example "}, True, id="mail in capitals"),
        pytest.param({"phone": None, "mail": None}, True, id="name alone"),
        pytest.param({"name": "김길동"}, False, id="other name"),
        pytest.param({"name": ""}, False, id="no name"),
        pytest.param({"name": "!!"}, False, id="name of signs"),
        pytest.param({"phone": "010-1234-5679"}, False, id="other phone"),
        pytest.param({"phone": "5678"}, False, id="end of the phone"),
        pytest.param({"phone": ""}, False, id="empty phone"),
        pytest.param({"phone": "+1 1012345678"}, False, id="other country"),
        pytest.param({"mail": "gildong@mail.example.evil"}, False, id="other mail"),
    ],
)
def test_wa8_a_form_is_the_members_own_or_it_is_not(form: dict[str, str | None], same: bool) -> None:
    person = a_profile(mail=Secret("gildong@mail.example"), mobile=Secret("+821012345678")).person
    filled = {"name": "홍길동", "phone": "+821012345678", "mail": "gildong@mail.example"} | form
    secrets = {field: None if value is None else Secret(value) for field, value in filled.items()}
    assert is_about(person, HolderForm(**secrets)) is same
