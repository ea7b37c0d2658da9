"""The protocol's JSON; see docs/messages/points-issuer.md."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

UNITS_MAX: Final = 10**15 - 1
"""Of a balance; what says more is wrong."""
_APPROVAL_CODE: Final = re.compile(r"[A-Za-z0-9]{1,12}")
_LINK: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HANDLE_LENGTH_MAX: Final = 200


class Terminal(msgspec.Struct, frozen=True):
    acquirer: str
    merchant_no: str
    terminal: str
    rrn: str | None


class Take(msgspec.Struct, frozen=True):
    reference: str
    account: str
    units: int
    merchant: str
    amount: int
    currency: str
    terminal: Terminal | None


class Takes(msgspec.Struct, frozen=True):
    takes: Sequence[Take]


class Confirmation(msgspec.Struct, frozen=True):
    reference: str


class Confirmations(msgspec.Struct, frozen=True):
    confirmations: Sequence[Confirmation]


class Cancellation(msgspec.Struct, frozen=True):
    reference: str
    units: int | None
    units_before: int | None


class Cancellations(msgspec.Struct, frozen=True):
    cancellations: Sequence[Cancellation]


class Accounts(msgspec.Struct, frozen=True):
    accounts: Sequence[str]


class LinkRequest(msgspec.Struct, frozen=True):
    account: str


class ProofRequest(msgspec.Struct, frozen=True):
    code: str


class Result(msgspec.Struct, frozen=True):
    """What is said of one take, confirmation or cancellation."""

    reference: str
    status: str
    approval_code: str | None = None
    reason: str | None = None


class Results(msgspec.Struct, frozen=True):
    """One for each item of the request, in its order."""

    results: list[Result]


class Balance(msgspec.Struct, frozen=True):
    account: str
    units: int | None = None
    error: str | None = None


class Balances(msgspec.Struct, frozen=True):
    """One for each account of the request, in its order."""

    balances: list[Balance]


class Link(msgspec.Struct, frozen=True):
    link: str

    def __post_init__(self) -> None:
        if not _LINK.fullmatch(self.link):  # it becomes part of a path
            raise ValueError("That is no name of a link.")


class Proof(msgspec.Struct, frozen=True):
    account: str

    def __post_init__(self) -> None:
        if not 0 < len(self.account) <= _HANDLE_LENGTH_MAX:
            raise ValueError("That is no account.")


def is_approval_code(text: str | None) -> bool:
    """Whether a receipt can show it."""
    return text is not None and _APPROVAL_CODE.fullmatch(text) is not None
