"""What merchants and those who want to be one have in common, on the wire."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from obverse.cards.model import CardKind
from obverse.doors.rest.auth import Caller
from obverse.doors.rest.shapes import Amount, Body, Id, Reason, View
from obverse.kit.secret import Secret
from obverse.merchants import BankAccount, Decision, FeePlan, Rhythm, SealedAccount, Terms
from obverse.merchants.rules import ACCEPTS_POINTS_MAX, BASIS_POINTS_MAX

AcquirerId = Annotated[str, Meta(pattern="^[0-9]{1,11}$", max_length=11, description="ISO 8583 DE 32.")]
MerchantNo = Annotated[
    str, Meta(pattern="^[A-Za-z0-9-]{1,15}$", max_length=15, description="ISO 8583 DE 42.")
]
Terminal = Annotated[str, Meta(pattern="^[A-Za-z0-9]{1,8}$", max_length=8, description="ISO 8583 DE 41.")]
Terminals = Annotated[tuple[Terminal, ...], Meta(max_length=100)]
Accepts = Annotated[
    tuple[CardKind, ...], Meta(min_length=1, max_length=len(CardKind), description="Kinds of cards.")
]
AcceptsPoints = Annotated[
    tuple[Id, ...], Meta(max_length=ACCEPTS_POINTS_MAX, description="Points issuers whose points it takes.")
]

ONE_TIME_ONLY: Final = (CardKind.ONE_TIME,)


class FeePlanShape(Body, frozen=True):
    """The fee of a capture: `amount * basis_points / 10000`, half up, plus `fixed`; at most the amount."""

    basis_points: Annotated[int, Meta(ge=0, le=BASIS_POINTS_MAX)] = 0
    fixed: Amount = 0


class BankAccountBody(Body, frozen=True):
    """`number` is never shown again but for its last four."""

    bank_code: Annotated[str, Meta(pattern="^[0-9]{3}$", max_length=3)]
    number: Annotated[
        str,
        Meta(pattern="^[0-9]{6,16}$", max_length=16, extra_json_schema={"format": "password"}),
    ]
    holder: Annotated[str, Meta(min_length=1, max_length=70)]


class PayoutBody(Body, frozen=True):
    """Where the money goes and how often."""

    account: BankAccountBody
    rhythm: Literal["daily", "weekly", "monthly"] = "daily"


class DecisionBody(Body, frozen=True):
    reason: Reason


class BankAccountView(View, frozen=True):
    bank_code: str
    holder: str
    last_four: str


class PayoutView(View, frozen=True):
    """Without an account, nothing is paid out and what is owed stays owed."""

    rhythm: Rhythm
    account: BankAccountView | None


def bank_account(body: BankAccountBody) -> BankAccount:
    return BankAccount(body.bank_code, Secret(body.number), body.holder)


def terms(fee_plan: FeePlanShape, accepts: tuple[CardKind, ...]) -> Terms:
    return Terms(FeePlan(fee_plan.basis_points, fee_plan.fixed), frozenset(kind.value for kind in accepts))


def payout_view(rhythm: Rhythm, account: SealedAccount | None) -> PayoutView:
    shown = BankAccountView(account.bank_code, account.holder, account.last_four) if account else None
    return PayoutView(rhythm, shown)


def decision(caller: Caller, reason: str) -> Decision:
    return Decision(caller.actor, reason)
