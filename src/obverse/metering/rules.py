"""What time costs, what is reserved for it, and what is captured of that. No I/O, no clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from obverse.authorization import Authorization, Decline, Status
from obverse.kit.errors import InvalidRequest
from obverse.kit.money import AMOUNT_MINOR_MAX
from obverse.metering.model import (
    ENDING,
    LIVE,
    Grant,
    GrantState,
    Prices,
    Session,
    SessionState,
    Tariff,
    Terms,
)

SECONDS_MAX: Final = 86_400
"""How much one session may use in all: a day. Nobody reserves for longer than holds last."""
PRICE_FIELDS: Final = tuple(field for field in Prices.__struct_fields__ if field != "effective_from")
GRANTS_MAX: Final = 1_000
"""How often one session may ask for more."""
_FINISH_AFTER: Final = timedelta(seconds=10)
"""Whoever ends a session should be done by then; else its process has died."""
_UNSETTLED: Final = frozenset({GrantState.ASKED, GrantState.HELD, GrantState.SETTLING})


# tariffs ---------------------------------------------------------------------------------------------------


def check_tariff(tariff: Tariff) -> None:
    """Refuse prices and times that mean nothing. Raises `InvalidRequest` with the field's name."""
    if not 1 <= len(tariff.name) <= 40 or not (tariff.name.isascii() and tariff.name.isprintable()):
        raise InvalidRequest("A tariff's name has 1 to 40 printable ASCII characters.", "name")
    times = {"first.seconds": tariff.first_seconds, "next.seconds": tariff.next_seconds}
    for param, seconds in {**times, "grant_seconds": tariff.grant_seconds}.items():
        if not 1 <= seconds <= SECONDS_MAX:
            raise InvalidRequest(f"{param} must be between 1 and {SECONDS_MAX}.", param)
    prices = {"connection": tariff.connection_minor, "first.price": tariff.first_minor}
    for param, price_minor in {**prices, "next.price": tariff.next_minor}.items():
        if not 0 <= price_minor <= AMOUNT_MINOR_MAX:
            raise InvalidRequest(f"A price must be between 0 and {AMOUNT_MINOR_MAX}.", param)
    if tariff.connection_minor + tariff.first_minor == 0:
        raise InvalidRequest("The connection or the first interval must cost something.", "first.price")
    if tariff.next_minor == 0:
        raise InvalidRequest(
            "A further interval must cost something, or nothing would end a session.", "next.price"
        )
    if cost_minor(tariff, SECONDS_MAX) > AMOUNT_MINOR_MAX:
        raise InvalidRequest("A day at this price is more than any payment can be.", "next.price")


def same_terms(one: Tariff, other: Tariff) -> bool:
    """Whether two tariffs differ in nothing but who they are and when they were written down."""
    return replace(one, id=other.id, created_at=other.created_at) == other


def cost_minor(tariff: Tariff, seconds: int) -> int:
    """What so much time costs: nothing for nothing, and every interval that has begun is paid."""
    if seconds <= 0:
        return 0
    further = -(-max(0, seconds - tariff.first_seconds) // tariff.next_seconds)
    return tariff.connection_minor + tariff.first_minor + further * tariff.next_minor


def seconds_for(tariff: Tariff, amount_minor: int) -> int:
    """How much time so much money buys, in whole intervals."""
    rest = amount_minor - tariff.connection_minor - tariff.first_minor
    if rest < 0 or amount_minor == 0:
        return 0
    return min(tariff.first_seconds + rest // tariff.next_minor * tariff.next_seconds, SECONDS_MAX)


# what a session has ----------------------------------------------------------------------------------------


def granted_minor(session: Session) -> int:
    """All that was ever reserved for it, captured or not."""
    return sum(grant.amount_minor or 0 for grant in session.grants)


def granted_seconds(session: Session) -> int:
    """How far it may go, counted from its beginning."""
    return seconds_for(session.tariff, granted_minor(session))


def charged_minor(session: Session) -> int:
    """What it costs so far; after its end, what was in fact captured. Never more than was reserved."""
    if session.state in LIVE or session.state in ENDING:
        return min(cost_minor(session.tariff, session.used_seconds), granted_minor(session))
    return sum(grant.captured_minor for grant in session.grants)


def piece(session_tariff: Tariff, seconds: int | None) -> int:
    """How much time to reserve: what is wanted, or the tariff's usual piece."""
    return seconds or session_tariff.grant_seconds


def pending(session: Session) -> Grant | None:
    """The grant of which nobody has noted yet what the engine said. There is never more than one."""
    return next((grant for grant in session.grants if grant.state is GrantState.ASKED), None)


def settling(session: Session) -> Sequence[Grant]:
    """Grants whose end is decided, and not carried out as far as we know."""
    return [grant for grant in session.grants if grant.state is GrantState.SETTLING]


# what becomes of it ----------------------------------------------------------------------------------------


def heard(session: Session, used_seconds: int | None, now: datetime, terms: Terms) -> Session:
    """The session after a report of all that it has used so far; a late or repeated one takes nothing back.

    Grants that are used up are to be captured.
    """
    if session.state not in LIVE:
        return session
    used = max(session.used_seconds, min(used_seconds or 0, SECONDS_MAX))
    valid_until = min(now + terms.validity, session.created_at + timedelta(seconds=2 * SECONDS_MAX))
    return _settle_used_up(
        replace(session, used_seconds=used, valid_until=valid_until, due_at=valid_until + terms.grace)
    )


def ask_more(session: Session, until_seconds: int, now: datetime) -> Session:
    """The session with another grant to be asked for, if it is to go on for longer than it was granted.

    Asking again for the same changes nothing, and one grant is asked for at a time.
    """
    until = min(until_seconds, SECONDS_MAX)
    short = cost_minor(session.tariff, until) - granted_minor(session)
    if session.state is not SessionState.OPEN or pending(session) is not None or short <= 0:
        return session
    if len(session.grants) >= GRANTS_MAX:
        return replace(session, is_last=True)
    grant = new_grant(len(session.grants) + 1, short, now)
    return replace(session, grants=[*session.grants, grant])


def new_grant(number: int, asked_minor: int, now: datetime) -> Grant:
    """A grant that the engine is about to be asked for."""
    return Grant(number, asked_minor, None, None, GrantState.ASKED, 0, now)


def answered(session: Session, number: int, payment: Authorization, now: datetime) -> Session:
    """The session once the engine has said what it grants; an answer that is noted already changes nothing.

    What buys not even one interval is given back at once.
    """
    grant = session.grants[number - 1]
    if grant.state is not GrantState.ASKED or session.state not in LIVE:
        return session
    approved = payment.amount.amount_minor if payment.status is Status.APPROVED else 0
    before = granted_seconds(session)
    state = GrantState.HELD if approved else GrantState.DECLINED
    noted = replace(grant, amount_minor=approved, authorization_id=payment.id, state=state)
    after = _with(session, noted)
    is_last = approved < grant.asked_minor
    if approved and granted_seconds(after) == before:
        after = _with(session, replace(noted, amount_minor=0, state=GrantState.SETTLING))
        approved = 0
    decline = (payment.decline or Decline.INSUFFICIENT_FUNDS) if is_last else None
    after = replace(after, is_last=is_last, decline=decline)
    if session.state is not SessionState.OPENING:
        return after
    if approved:
        return replace(after, state=SessionState.OPEN)
    return replace(after, state=SessionState.DECLINED, due_at=None, ended_at=now)


def end(session: Session, state: SessionState, now: datetime) -> Session:
    """The session on its way to its end: what was used is to be captured, all else released."""
    if session.state not in LIVE:
        return session
    grants = [
        replace(grant, state=GrantState.SETTLING, captured_minor=share)
        if grant.state is GrantState.HELD
        else grant
        for grant, share in zip(session.grants, _shares(session), strict=True)
    ]
    return replace(session, state=state, grants=grants, due_at=now + _FINISH_AFTER)


def settled(session: Session, captured: dict[int, int]) -> Session:
    """The session with these grants done with, by number, and what was in fact captured of each."""
    grants = [
        replace(
            grant,
            state=GrantState.SETTLED,
            amount_minor=grant.amount_minor or 0,
            captured_minor=min(captured[grant.number], grant.amount_minor or 0),
        )
        if grant.number in captured and grant.state in (GrantState.SETTLING, GrantState.ASKED)
        else grant
        for grant in session.grants
    ]
    return replace(session, grants=grants)


def ended(session: Session, now: datetime) -> Session:
    """The session at its end, once nothing of it is left to be done; before that, unchanged."""
    if session.state not in ENDING or any(grant.state in _UNSETTLED for grant in session.grants):
        return session
    state = SessionState.CUT if session.state is SessionState.CUTTING else SessionState.CLOSED
    return replace(session, state=state, due_at=None, ended_at=now)


def _settle_used_up(session: Session) -> Session:
    grants = [
        replace(grant, state=GrantState.SETTLING, captured_minor=share)
        if grant.state is GrantState.HELD and share == grant.amount_minor
        else grant
        for grant, share in zip(session.grants, _shares(session), strict=True)
    ]
    return replace(session, grants=grants)


def _shares(session: Session) -> list[int]:
    """What each grant pays of the cost so far, the oldest first."""
    rest = cost_minor(session.tariff, session.used_seconds)
    shares = []
    for grant in session.grants:
        share = min(rest, grant.amount_minor or 0)
        shares.append(share)
        rest -= share
    return shares


def _with(session: Session, grant: Grant) -> Session:
    grants = [grant if each.number == grant.number else each for each in session.grants]
    return replace(session, grants=grants)
