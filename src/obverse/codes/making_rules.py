"""Who may have codes made, for which card, and when each code is the one to show. Pure."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers

from obverse.cards.errors import CardNotFound
from obverse.cards.model import Card, CardState, HeldBy
from obverse.codes.errors import CardNotPresentable, DeviceNotFound, NothingAvailable, TooManyCodeBatches
from obverse.codes.making_model import BatchWish, CodeTerms, Device, PublicKey, Window
from obverse.kit.errors import InvalidRequest, ObverseError
from obverse.kit.ids import AccountId, SourceId
from obverse.ledger.model import Account
from obverse.members import Member, MemberNotFound, MemberSuspended, Standing
from obverse.wallet.model import LotBalance, Source, SourceKind, SourceState

DEVICES_MAX: Final = 10
NAME_LENGTH_MAX: Final = 60
BATCHES_A_MINUTE_MAX: Final = 60
"""For one device: at the shortest interval a phone with two cards asks 48 times."""
CLOCK_GRACE: Final = timedelta(seconds=30)
"""How much longer than it is shown a code pays. A phone sets its clock by the answer with its codes, so it is
never ahead of ours; it is behind by the way of that answer, and by what its clock loses while it is offline.
And a code may be read at the last moment, while amount and PIN are still to be entered."""

_COORDINATE_BYTES: Final = 32


class Purse(msgspec.Struct, frozen=True):
    """What stands behind cards, as far as it is known here."""

    sources: Mapping[SourceId, Source]
    lots: Mapping[SourceId, Sequence[LotBalance]]
    accounts: Mapping[AccountId, Account]


class Known(msgspec.Struct, frozen=True):
    """What is known about a wish when it is decided; None is for what does not exist."""

    device: Device | None
    member: Member | None
    card: Card | None
    made_lately: int
    """Batches for this device within the last minute."""


class Granted(msgspec.Struct, frozen=True):
    """A wish that is granted."""

    wish: BatchWish
    device: Device
    card: Card


# devices ---------------------------------------------------------------------------------------------------


def check_name(name: str) -> str:
    """A device's name without spaces around it. Raises `InvalidRequest`."""
    name = name.strip()
    if not 1 <= len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise InvalidRequest(f"A device's name has 1 to {NAME_LENGTH_MAX} printable characters.", "name")
    return name


def check_key(key: PublicKey) -> None:
    """Refuse what is no point of P-256: to seal to one would give the codes away. Raises `InvalidRequest`."""
    try:
        EllipticCurvePublicNumbers(_coordinate(key.x), _coordinate(key.y), SECP256R1()).public_key()
    except ValueError:
        raise InvalidRequest("That is not a public key on P-256.", "public_key") from None


def _coordinate(text: str) -> int:
    """A coordinate in the one form that RFC 7518 allows. Raises `ValueError`."""
    try:
        plain = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError from error
    # Written again it has to be the same: else one key could be registered under several spellings.
    spelt = base64.urlsafe_b64encode(plain).decode().rstrip("=")
    if len(plain) != _COORDINATE_BYTES or spelt != text:
        raise ValueError
    return int.from_bytes(plain, "big")


# batches ---------------------------------------------------------------------------------------------------


def check_count(count: int, terms: CodeTerms) -> None:
    """Raises `InvalidRequest` for more codes than a phone may hold, or none."""
    if not 1 <= count <= terms.batch_max:
        raise InvalidRequest(f"count must be between 1 and {terms.batch_max}.", "count")


def decide(wish: BatchWish, known: Known, purse: Purse, now: datetime) -> Granted | ObverseError:
    """Whether codes are made: look at the person, the device, the card, and the money behind it (PC-1).

    What is another member's looks like what does not exist (P12).
    """
    device, member, card = known.device, known.member, known.card
    if member is None:
        return MemberNotFound()
    if device is None or device.member_id != wish.member_id or device.removed_at is not None:
        return DeviceNotFound()
    if member.standing is not Standing.GOOD:
        return MemberSuspended(wish.member_id)
    if card is None or card.member_id != wish.member_id:
        return CardNotFound()
    if card.state is not CardState.ACTIVE or card.expires_at <= now or card.held_by is not HeldBy.MEMBER:
        return CardNotPresentable()
    if known.made_lately >= BATCHES_A_MINUTE_MAX:
        return TooManyCodeBatches()
    return Granted(wish, device, card) if _can_pay(card, purse, now) else NothingAvailable()


def _can_pay(card: Card, purse: Purse, now: datetime) -> bool:
    limit = card.controls.amount_limit_minor
    if card.uses_left == 0 or (limit is not None and card.spent_minor >= limit):
        return False
    sources = [purse.sources[id_] for id_ in card.funding if id_ in purse.sources]
    return any(_has_money(source, purse, now) for source in sources if source.state is SourceState.ACTIVE)


def _has_money(source: Source, purse: Purse, now: datetime) -> bool:
    match source.kind:
        case SourceKind.STORED_BALANCE | SourceKind.POINTS:
            lots = purse.lots.get(source.id, ())
            return any(each.available_minor > 0 for each in lots if each.lot.expires_at > now)
        case SourceKind.CREDIT_LINE:
            account = purse.accounts.get(source.account_id) if source.account_id else None
            return account is not None and (account.available_minor or 0) > 0
        case SourceKind.LINKED_CARD | SourceKind.ISSUER_POINTS:
            return True  # only whoever keeps the money knows, and is asked when it is spent
        case SourceKind.BANK_ACCOUNT:
            return False


def windows(start: datetime, count: int, interval: timedelta) -> list[Window]:
    """When each of a batch is shown: one after the other without a gap, from now on (PC-2, PC-3)."""
    return [Window(start + interval * n, start + interval * (n + 1)) for n in range(count)]


def renew_at(start: datetime, count: int, interval: timedelta) -> datetime:
    """When half of a batch is over: whenever a phone loses its network, it still has the other half.

    >>> from datetime import UTC
    >>> renew_at(datetime(2026, 11, 20, 12, 0, tzinfo=UTC), 1, timedelta(minutes=3)).strftime("%H:%M:%S")
    '12:01:30'
    """
    return start + interval * count / 2
