"""What is done with payments of any mix after their approval: at an engine, and in the plain wallet."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.factories.any_mix import Payment
from tests.factories.plain_wallet import PlainWallet

from obverse.authorization import Engine, Status


@dataclass(frozen=True)
class Step:
    """Something to be done with a payment; amounts are quarters of what it can be done with."""

    what: str
    quarters: int
    merchant_pays: bool
    dies_after: int | None
    """The process that does it first dies so many turns of its loop later."""


def limit_of(payment: Payment, what: str) -> int:
    """Up to how much of a payment this can be done now."""
    stands = payment.status is Status.APPROVED
    match what:
        case "capture" | "release":
            return payment.sum("open") if stands else 0
        case "refund":
            return payment.sum("refundable")
        case "dispute":
            return 0 if payment.sum("disputed") else payment.sum("refundable")
        case "decide":
            return payment.sum("disputed")
    return payment.sum("amount") if stands or payment.status is Status.EXPIRED else 0


def command_for(payment: Payment, step: Step, amount: int) -> Callable[[Engine], Awaitable[Any]]:
    """What can be sent to any engine, and again with the same key."""
    key = f"{payment.request.request_key}:{payment.steps}"
    whole = payment.sum("disputed")
    match step.what:
        case "reverse":
            return lambda engine: engine.cancel(payment.id)
        case "dispute":
            return lambda engine: engine.open_dispute(payment.id, amount, key=key)
        case "decide":
            how = {"key": key, "merchant_pays": step.merchant_pays}
            return lambda engine: engine.close_dispute(payment.id, whole, **how)
    return lambda engine: getattr(engine, step.what)(payment.id, amount, key=key)


def note(wallet: PlainWallet, payment: Payment, step: Step, amount: int, now: datetime) -> None:
    """Do the same in the plain wallet."""
    shares, rest = payment.shares, payment.sum("open")
    match step.what:
        case "reverse":
            wallet.release(shares, rest, now)
            wallet.refund(shares, payment.sum("refundable"), now)
            payment.status = Status.REVERSED
        case "decide":
            wallet.decide(shares, now, merchant_pays=step.merchant_pays)
        case "release" if amount == rest and not payment.sum("captured"):
            wallet.release(shares, amount, now)
            payment.status = Status.REVERSED
        case _:
            getattr(wallet, step.what)(shares, amount, now)
