"""P16: whatever happens to what three legs have paid, no leg gives back more than it took."""

from hypothesis import given
from hypothesis import strategies as st
from tests.factories.authorization import (
    a_batch,
    a_card,
    a_credit_line,
    a_linked_card,
    a_merchant,
    a_request,
    authorize_command,
    credit_of,
    decided,
)

from obverse.authorization.commands import (
    Capture,
    CloseDispute,
    Command,
    Conclude,
    Expire,
    OpenDispute,
    Refund,
    Release,
    Reverse,
)
from obverse.authorization.model import Authorization, Status
from obverse.authorization.ports import LegAnswer, LegOutcome
from obverse.kit.ids import AuthorizationId
from obverse.ledger import TransferKind

SHOP = a_merchant()
_FINAL = {TransferKind.POSTED, TransferKind.POST}

AMOUNT = st.one_of(st.none(), st.integers(1, 120))
KEY = st.sampled_from("abcdefgh")
STEP = st.one_of(
    st.tuples(st.just(Capture), AMOUNT, KEY),
    st.tuples(st.just(Capture), AMOUNT, KEY),
    st.tuples(st.just(Capture), AMOUNT, KEY, st.booleans(), st.just(True)),
    st.tuples(st.just(Refund), AMOUNT, KEY),
    st.tuples(st.just(Refund), AMOUNT, KEY),
    st.tuples(st.just(Release), AMOUNT, KEY),
    st.tuples(st.just(OpenDispute), st.integers(1, 60), KEY),
    st.tuples(st.just(CloseDispute), st.integers(1, 60), KEY, st.booleans()),
    st.tuples(st.just(Expire)),
    st.tuples(st.just(Reverse)),
)


@given(
    first=st.integers(1, 50),
    second=st.integers(1, 50),
    third=st.integers(1, 50),
    steps=st.lists(STEP, max_size=25),
)
def test_p16_refunds_over_three_legs_never_exceed_what_each_leg_paid(
    first: int, second: int, third: int, steps: list[tuple[object, ...]]
) -> None:
    accounts = [credit_of(first), credit_of(second)]
    sources = [*map(a_credit_line, accounts), a_linked_card()]
    card = a_card(*sources)
    batch = a_batch([card], sources, accounts)
    opened = decided(batch.decide(authorize_command(card, a_request(first + second + third, SHOP))))
    payment = decided(batch.decide(Conclude(opened.id, {2: LegAnswer(LegOutcome.APPROVED, "00", "1")})))
    assert payment.status is Status.APPROVED
    for step in steps:
        batch.decide(_command(payment.id, step))
        (now,) = batch.authorizations([payment.id])
        _counters_hold(now)
        net = [leg.captured_minor - leg.refunded_minor - leg.disputed_minor for leg in now.legs]
        paid = [_net_debit(batch.books.journal, leg.debit_account_id) for leg in now.legs]
        assert paid == net, "each source has paid what was captured of it, less what came back"


def _command(id_: AuthorizationId, step: tuple[object, ...]) -> Command:
    kind, *rest = step
    return kind(id_, *rest)  # type: ignore[operator, no-any-return]


def _counters_hold(payment: Authorization) -> None:
    for counted, amount in [
        (payment, payment.amount.amount_minor),
        *((leg, leg.amount_minor) for leg in payment.legs),
    ]:
        assert 0 <= counted.refunded_minor + counted.disputed_minor <= counted.captured_minor
        assert 0 <= counted.captured_minor + counted.released_minor <= amount
    assert 0 <= payment.expired_minor <= payment.released_minor
    for counter in ("captured_minor", "released_minor", "refunded_minor", "disputed_minor"):
        assert getattr(payment, counter) == sum(getattr(leg, counter) for leg in payment.legs)


def _net_debit(journal: list, account_id: object) -> int:  # type: ignore[type-arg]
    final = [t for t in journal if t.kind in _FINAL]
    debits = sum(t.amount_minor for t in final if t.debit_account_id == account_id)
    return debits - sum(t.amount_minor for t in final if t.credit_account_id == account_id)
