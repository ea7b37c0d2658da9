"""Loading what a batch touches: a handful of set-based statements, locks always taken in the same order.

Authorizations, then cards, then accounts, each in id order: whatever two batches share, one waits for the
other and never both. Earlier answers are looked up after the locks, so that no twin slips by.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypedDict

from obverse.authorization import repository
from obverse.authorization.commands import (
    Authorize,
    ByKey,
    Capture,
    CloseDispute,
    Command,
    OpenDispute,
    Refund,
    Release,
    Reverse,
    ReverseByKey,
)
from obverse.authorization.inputs import Loaded
from obverse.authorization.model import LOADS, Authorization
from obverse.cards import repository as cards
from obverse.cards.model import Card
from obverse.codes import repository as codes
from obverse.codes.model import Guesses
from obverse.kit.database import Connection
from obverse.kit.ids import AccountId, AuthorizationId, PartitionId, ProgrammeId, SourceId
from obverse.ledger import repository as ledger
from obverse.points import repository as points
from obverse.points.model import Holding, Quote
from obverse.points.rules import Rates
from obverse.programmes import repository as programmes
from obverse.programmes.model import Programme
from obverse.wallet import repository as wallet
from obverse.wallet.model import STORED, Lot, Source, SourceKind

_KEYED: Final = (Capture, Release, Refund, OpenDispute, CloseDispute, Reverse)


async def load(
    conn: Connection, partition_id: PartitionId, commands: Sequence[Command], now: datetime
) -> Loaded:
    """Lock and read everything these commands touch."""
    payments = [c for c in commands if isinstance(c, Authorize)]
    touched = await _lock_authorizations(conn, partition_id, commands)
    code_hashes = _code_hashes(commands)
    codes_found = await codes.lock(conn, partition_id, code_hashes) if code_hashes else {}
    by_id = {a.card_id for a in touched if a.card_id is not None}
    by_id |= {code.card_id for code in codes_found.values()}
    cards_found = await cards.lock(
        conn, partition_id, [hash_ for c in payments for hash_ in c.number_hashes], list(by_id)
    )
    sources = (
        await wallet.load_sources(conn, {id_ for card in cards_found for id_ in card.funding})
        if payments and cards_found
        else {}
    )
    lots = await _load_lots(conn, sources.values(), now)
    accounts = await ledger.lock_accounts(conn, partition_id, _account_ids(sources.values(), lots, touched))
    earlier = await repository.find_by_key(conn, partition_id, [c.request.request_key for c in payments])
    keys = [c.key for c in commands if isinstance(c, _KEYED) and c.key is not None]
    undone = [a.id for a in touched if a.captured_minor] if _undoes(commands) else []
    return Loaded(
        cards={card.number_hash: card for card in cards_found},
        sources=sources,
        lots=lots,
        programmes=await _load_programmes(conn, payments, cards_found),
        accounts=accounts,
        authorizations=[*earlier, *touched],
        actions=await repository.find_actions(conn, partition_id, keys) if keys else (),
        presented=await repository.find_presented(conn, partition_id, undone) if undone else (),
        codes=codes_found,
        guesses=await codes.guesses(conn, now) if any(c.code_hash for c in payments) else Guesses(),
        **await _load_points(conn, payments, sources.values(), now),
    )


async def load_for_dry_run(
    conn: Connection, partition_id: PartitionId, command: Authorize, now: datetime
) -> Loaded:
    """Read what one payment with a card's number would touch, without a lock."""
    cards_found = await cards.find(conn, partition_id, command.number_hashes, ())
    sources = await wallet.load_sources(conn, {id_ for card in cards_found for id_ in card.funding})
    lots = await _load_lots(conn, sources.values(), now)
    accounts = await ledger.find_accounts(conn, partition_id, _account_ids(sources.values(), lots, ()))
    return Loaded(
        cards={card.number_hash: card for card in cards_found},
        sources=sources,
        lots=lots,
        programmes=await _load_programmes(conn, [command], cards_found),
        accounts=accounts,
        **await _load_points(conn, [command], sources.values(), now),
    )


def missed(loaded: Loaded, commands: Iterable[Command]) -> bool:
    """Whether a payment names a card that was not found."""
    return any(
        isinstance(c, Authorize)
        and c.code_hash is None
        and not any(hash_ in loaded.cards for hash_ in c.number_hashes)
        for c in commands
    )


async def _lock_authorizations(
    conn: Connection, partition_id: PartitionId, commands: Sequence[Command]
) -> Sequence[Authorization]:
    ids: list[AuthorizationId] = []
    keys: list[str] = []
    for command in commands:
        if isinstance(command, Authorize):
            continue
        if isinstance(command, Capture | Release | Refund):
            payment: AuthorizationId | ByKey | ReverseByKey = command.payment
        else:
            payment = command if isinstance(command, ReverseByKey) else command.id
        if isinstance(payment, ByKey | ReverseByKey):
            keys.append(payment.request_key)
        else:
            ids.append(payment)
    return await repository.lock(conn, partition_id, ids, keys) if keys or ids else ()


def _code_hashes(commands: Iterable[Command]) -> list[bytes]:
    """The payment codes that these commands show, with a payment or to prove that they know it."""
    hashes: list[bytes | None] = []
    for command in commands:
        if isinstance(command, Authorize):
            hashes.append(command.code_hash)
        elif isinstance(command, ReverseByKey):
            hashes.append(command.shown.code_hash)
        elif isinstance(command, Capture | Release | Refund) and isinstance(command.payment, ByKey):
            hashes.append(command.payment.shown.code_hash)
    return [hash_ for hash_ in hashes if hash_ is not None]


class _Points(TypedDict, total=False):
    holdings: Mapping[SourceId, Holding]
    rates: Rates
    quotes: Mapping[str, Quote]


async def _load_points(
    conn: Connection, payments: Sequence[Authorize], sources: Iterable[Source], now: datetime
) -> _Points:
    """Points accounts among these sources, with rates and quotes; nothing is asked where there are none."""
    ids = [source.id for source in sources if source.kind is SourceKind.ISSUER_POINTS]
    if not ids or not payments:
        return {}
    holdings = await points.load_holdings(conn, ids)
    merchants = {c.request.merchant.id for c in payments if c.request.merchant is not None}
    references = {c.request.quote for c in payments if c.request.quote is not None}
    return {
        "holdings": holdings,
        "rates": await points.load_rates(conn, {h.issuer_id for h in holdings.values()}, merchants, now),
        "quotes": await points.load_quotes(conn, references) if references else {},
    }


def _undoes(commands: Iterable[Command]) -> bool:
    """Whether any of these may undo a payment in whole."""
    return any(isinstance(c, Reverse | ReverseByKey | Release) for c in commands)


async def _load_lots(
    conn: Connection, sources: Iterable[Source], now: datetime
) -> Mapping[SourceId, Sequence[Lot]]:
    stored = [source.id for source in sources if source.kind in STORED]
    return await wallet.load_lots(conn, stored, now) if stored else {}


async def _load_programmes(
    conn: Connection, payments: Sequence[Authorize], cards_found: Sequence[Card]
) -> Mapping[ProgrammeId, Programme]:
    if not any(command.request.purpose in LOADS for command in payments):
        return {}
    return await programmes.load(conn, {c.programme_id for c in cards_found if c.programme_id is not None})


def _account_ids(
    sources: Iterable[Source],
    lots: Mapping[SourceId, Sequence[Lot]],
    touched: Iterable[Authorization],
) -> list[AccountId]:
    legs = [leg for authorization in touched for leg in authorization.legs]
    ids = {source.account_id for source in sources if source.account_id is not None}
    ids.update(lot.account_id for of_source in lots.values() for lot in of_source)
    ids.update(leg.debit_account_id for leg in legs)
    ids.update(leg.credit_account_id for leg in legs)
    return sorted(ids)
