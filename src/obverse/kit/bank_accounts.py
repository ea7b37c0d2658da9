"""What every bank account must look like, whoever it belongs to and whoever pays to it."""

import re
from typing import Final

from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import Secret

HOLDER_LENGTH_MAX: Final = 70

_BANK_CODE: Final = re.compile(r"[0-9]{3}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{6,16}", re.ASCII)


def check_bank_account(bank_code: str, number: Secret, holder: str, param: str = "account") -> None:
    """Refuse what no bank could pay to. Raises `InvalidRequest` with the field's name, never its value.

    `bank_code` is KFTC's, in ISO 20022 the clearing system member id. `holder` is what the bank compares.
    """
    if not _BANK_CODE.fullmatch(bank_code):
        raise InvalidRequest("A bank code has three digits.", f"{param}.bank_code")
    if not _NUMBER.fullmatch(number.reveal()):
        raise InvalidRequest("An account number has 6 to 16 digits, without hyphens.", f"{param}.number")
    if not 1 <= len(holder.strip()) <= HOLDER_LENGTH_MAX or not holder.isprintable():
        raise InvalidRequest(
            f"A holder has 1 to {HOLDER_LENGTH_MAX} printable characters.", f"{param}.holder"
        )
