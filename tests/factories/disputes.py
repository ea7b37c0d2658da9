"""Disputes for tests."""

from datetime import timedelta
from uuid import uuid4

from msgspec.structs import replace
from tests.factories.ledger import NOON
from tests.factories.wallet import House

from obverse.authorization import Authorization, Engine, Entry, Rule, Status
from obverse.disputes import Complaint, Disputes, Reason, Terms
from obverse.kit.ids import AuthorizationId, CardId, MerchantId, PartitionId
from obverse.kit.money import KRW, Money

WINDOW = timedelta(days=120)
ANSWER_TIME = timedelta(days=14)


def disputes_room(house: House, engine: Engine) -> Disputes:
    return Disputes(
        house.database,
        engine,
        clock=house.clock,
        new_id=house.new_id,
        terms=Terms(window=WINDOW, answer_time=ANSWER_TIME),
    )


def a_complaint(amount_minor: int | None = None, statement: str = "It never came.") -> Complaint:
    return Complaint(amount_minor, Reason.NOT_RECEIVED, statement)


def a_captured_payment(**changes: object) -> Authorization:
    """34,000 won, all captured; nowhere stored, for rules."""
    payment = Authorization(
        partition_id=PartitionId(0),
        id=AuthorizationId(uuid4()),
        request_key="order",
        fingerprint=b"",
        status=Status.APPROVED,
        decline=None,
        failed_rules=Rule(0),
        approval_code="A1B2C3",
        card_id=CardId(uuid4()),
        merchant_id=MerchantId(uuid4()),
        terminal=None,
        entry=Entry.ONLINE,
        category="5942",
        amount=Money(34_000, KRW),
        captured_minor=34_000,
        captured_at_once=False,
        deadline_at=None,
        created_at=NOON - timedelta(days=30),
    )
    return replace(payment, **changes)  # type: ignore[arg-type]
