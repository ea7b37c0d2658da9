"""What the loads with points and payment codes use up: registered cards, accounts with issuers, codes."""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import httpx
from joserfc.jwk import ECKey

from bench import points_issuers
from bench.errors import BenchFailed
from bench.messages import Payment
from bench.processes import free_port, running
from obverse.cards import Card
from obverse.codes import BatchWish, PublicKey
from obverse.codes.rules import value_of
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import PartitionId, PointsIssuerId, SourceId
from obverse.kit.money import KRW
from obverse.kit.secret import Secret
from obverse.merchants.model import Decision, MerchantChange
from obverse.networks.points_issuer import PointsIssuerClient
from obverse.points import Issuer, IssuerTerms, Rate
from obverse.points.ports import BalanceAsk
from obverse.points.rules import account_context, receivable
from obverse.sandbox.faults import Fault, FaultMenu, FaultRule, MessageKind
from obverse.sandbox.points_issuer import SKY_MILES, PointsIssuer
from obverse.sandbox.trace import Trace
from obverse.wallet import RegistrationWish, Source, SourceKind, SourceState
from obverse.wallet import repository as wallet

if TYPE_CHECKING:
    from bench.stock import Stock

REGISTERED: Final = 500
"""Registered cards, with an account of each issuer behind them."""
_RATES: Final = (Rate(2, 1), Rate(1, 10))
_P0: Final = PartitionId(0)
_BENCH: Final = Decision("system", "bench")
_CODE_CARDS: Final = 400
_CODES_EACH: Final = 50
_FAN_OUT: Final = 20
_SLOWEST_MS: Final = 100
_FAN_OUTS: Final = 30
_NOWHERE: Final = "http://127.0.0.1:9"
_UP_SECONDS_MAX: Final = 20

_ACCOUNTS: Final = Table(
    "points_accounts",
    {
        "id": "uuid",
        "partition_id": "smallint",
        "member_id": "uuid",
        "issuer_id": "uuid",
        "account_hash": "bytea",
        "last_four": "text",
        "handle_key": "smallint",
        "handle_sealed": "bytea",
        "state": "text",
        "created_at": "timestamptz",
        "expires_at": "timestamptz",
    },
)

_CODES: Final = Table(
    "payment_codes",
    {
        "partition_id": "smallint",
        "code_hash": "bytea",
        "card_id": "uuid",
        "device_id": "uuid",
        "member_id": "uuid",
        "batch_id": "uuid",
        "valid_from": "timestamptz",
        "expires_at": "timestamptz",
    },
)

_INSERT_CODES: Final = f"{_CODES.insert} on conflict do nothing returning code_hash"

_PUT_BEHIND: Final = """
update cards set funding = funding || new.source_id
from unnest($1::uuid[], $2::uuid[]) as new (card_id, source_id) where cards.id = new.card_id
"""

_OWNERS: Final = "select number_hash, id, member_id from cards where number_hash = any($1::bytea[])"


@dataclass(frozen=True, slots=True)
class Introduced:
    """The points issuers as the platform knows them; they run once somebody needs them."""

    issuers: Sequence[Issuer]
    secrets: Sequence[Secret]
    ports: Sequence[int]


async def introduce(stock: "Stock") -> Introduced:
    """Make issuers known, and have every merchant take their points, before the platform is started: what it
    knows of merchants may be some seconds old."""
    ports = [free_port() for _ in points_issuers.ISSUERS]
    made = []
    for profile, port, rate in zip(points_issuers.ISSUERS, ports, _RATES, strict=True):
        url = f"http://127.0.0.1:{port}"
        terms = IssuerTerms(profile.name, profile.short_name, profile.unit, url, profile.two_phase)
        issuer, secret = await stock.rooms.points.issuers.create(terms, _BENCH)
        await stock.rooms.points.rates.set(issuer.id, None, rate, _BENCH)
        made.append((issuer, secret))
    change = MerchantChange(
        accepts=frozenset({"one_time", "prepaid", "registered"}),
        accepts_points=frozenset(issuer.id for issuer, _ in made),
    )
    stock.merchants = [
        await stock.rooms.merchants.change(merchant.id, change, _BENCH) for merchant in stock.merchants
    ]
    return Introduced([issuer for issuer, _ in made], [secret for _, secret in made], ports)


async def register_cards(
    stock: "Stock", points: Introduced, stack: ExitStack, scratch: Path
) -> list[Payment]:
    """Payments by registered cards with points of two issuers behind them, who run until `stack` ends."""
    command = [sys.executable, "-m", "bench.points_issuers", *map(str, points.ports), str(REGISTERED)]
    settings = {points_issuers.SECRETS: " ".join(secret.reveal() for secret in points.secrets)}
    stack.enter_context(running(command, scratch / "points_issuers.log", settings))
    await _are_up(points.ports)
    cards = []
    for source in stock.linked[:REGISTERED]:
        assert source.member_id is not None, "linked cards are members'"
        issued = await stock.rooms.stored_value.cards.registered.register(
            source.member_id, RegistrationWish(source.id)
        )
        cards.append(issued.card)
    async with stock.database.transaction() as conn:
        for at, issuer in enumerate(points.issuers):
            await _link(conn, stock, at, issuer, cards)
    return await _payments(stock, cards)


async def _are_up(ports: Sequence[int]) -> None:
    deadline = time.monotonic() + _UP_SECONDS_MAX
    async with httpx.AsyncClient(trust_env=False) as client:
        for port in ports:
            while True:
                try:
                    await client.get(f"http://127.0.0.1:{port}/")
                    break
                except httpx.TransportError:
                    if time.monotonic() > deadline:
                        raise BenchFailed("The points issuers do not come up.") from None
                    await asyncio.sleep(0.05)


async def _link(conn: Connection, stock: "Stock", at: int, issuer: Issuer, cards: Sequence[Card]) -> None:
    """An account with this issuer behind each card, as if its owner had proved it."""
    now = datetime.now(UTC)
    owed = receivable(issuer.id, _P0, KRW).id
    held = points_issuers.accounts(at, points_issuers.ISSUERS[at], len(cards))
    sources, rows = [], []
    for card, account in zip(cards, held, strict=True):
        assert card.member_id is not None, "registered cards are members'"
        id_ = SourceId(stock.new_id())
        handle = stock.vault.seal(Secret(account.handle), account_context(id_))
        sources.append(
            Source(
                id_, _P0, card.member_id, SourceKind.ISSUER_POINTS, KRW, owed, None, SourceState.ACTIVE, now
            )
        )
        row = (id_, 0, card.member_id, issuer.id, id_.bytes, account.number[-4:], *handle, "proved", now, now)
        rows.append(row)
    await wallet.insert_sources(conn, sources)
    await insert_rows(conn, _ACCOUNTS, rows)
    await conn.execute(_PUT_BEHIND, [card.id for card in cards], [source.id for source in sources])


async def _payments(stock: "Stock", cards: Sequence[Card]) -> list[Payment]:
    ids = [card.vault_card_id for card in cards if card.vault_card_id is not None]
    async with stock.database.connection() as conn:
        opened = await stock.vault.open_cards(conn, ids)
    payments: list[Payment] = []
    for source, id_ in zip(stock.linked, ids, strict=False):
        assert source.account_id is not None, "one account stands for all card companies"
        face = opened[id_]
        expiry = f"{face.exp_year % 100:02d}{face.exp_month:02d}"
        merchant = stock.merchants[len(payments) % len(stock.merchants)]
        payments.append(Payment(face.number, expiry, Secret(""), source.account_id, merchant))
    return payments


async def codes_for(stock: "Stock", payments: Sequence[Payment]) -> list[Payment]:
    """The same payments, by a code for each card instead of its number."""
    by_hash = {stock.vault.number_hashes(p.number)[0].digest: p for p in payments}
    now = datetime.now(UTC)
    until = now + timedelta(days=1)
    shown, rows = [], []
    async with stock.database.transaction() as conn:
        found = await conn.fetch(_OWNERS, list(by_hash))
        for number_hash, card_id, member_id in found:
            random = int.from_bytes(os.urandom(8), "big")
            code = stock.vault.payment_code(stock.bin, value_of(random, _P0))
            batch = stock.new_id()
            rows.append((0, stock.vault.token_hash(code), card_id, batch, member_id, batch, now, until))
            shown.append(replace(by_hash[number_hash], number=code))
        # Of hundreds of thousands drawn at random a few meet: those pay nothing.
        stored = {row[0] for row in await conn.fetch(_INSERT_CODES, *zip(*rows, strict=True))}
    return [payment for payment, row in zip(shown, rows, strict=True) if row[1] in stored]


async def make_codes(stock: "Stock") -> float:
    """Codes per second, made in sets of 50 for 400 cards, stored and sealed to their phones."""
    devices = stock.rooms.codes.devices
    wishes = []
    for card_id, member_id in await stock.cards_of_their_own(_CODE_CARDS):
        key = ECKey.generate_key("P-256").as_dict(private=False)
        device = await devices.register(member_id, "phone", PublicKey(str(key["x"]), str(key["y"])))
        wishes.append(BatchWish(member_id, device.id, card_id, _CODES_EACH))
    began = time.perf_counter()
    made = await stock.rooms.codes.batches.make_all(wishes)
    seconds = time.perf_counter() - began
    if refused := [batch for batch in made if isinstance(batch, Exception)]:
        raise BenchFailed(f"Codes were refused: {refused[0]}")
    return _CODE_CARDS * _CODES_EACH / seconds


class _Twenty:
    """A directory of twenty issuers (`points.ports.IssuerDirectory`)."""

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        self._issuers = {issuer.id: issuer for issuer in issuers}

    async def find(self, issuer_id: PointsIssuerId) -> Issuer | None:
        return self._issuers.get(issuer_id)


async def fan_out(stock: "Stock") -> list[float]:
    """Seconds that asking twenty issuers at once took, each time; the slowest takes 100 ms of them."""
    clock = Clock()
    async with asyncio.timeout(60):
        partners = [_partner(clock, at) for at in range(_FAN_OUT)]
        await asyncio.gather(*[partner.start("127.0.0.1") for partner in partners])
        try:
            return await _ask_all(stock, partners)
        finally:
            await asyncio.gather(*[partner.stop() for partner in partners])


def _partner(clock: Clock, at: int) -> PointsIssuer:
    faults = FaultMenu(Random(at))
    delay_ms = _SLOWEST_MS * at // (_FAN_OUT - 1)
    faults.set(MessageKind.POINTS_BALANCES, FaultRule(Fault.SLOW, delay_ms))
    return PointsIssuer(
        SKY_MILES, faults, Trace(clock), clock, Random(at), sms_url=_NOWHERE, van_url=_NOWHERE
    )


async def _ask_all(stock: "Stock", partners: Sequence[PointsIssuer]) -> list[float]:
    issuers, asks = [], []
    for partner in partners:
        terms = IssuerTerms(partner.name, "SKY", "miles", partner.url, two_phase=True)
        issuer, partner.secret = await stock.rooms.points.issuers.create(terms, _BENCH)
        account, source_id = partner.book.open("7700", "", 1_000), SourceId(stock.new_id())
        handle = stock.vault.seal(Secret(account.handle), account_context(source_id))
        issuers.append(issuer)
        asks.append(BalanceAsk(source_id, issuer.id, handle))
    client = PointsIssuerClient(
        _Twenty(issuers),
        stock.vault,
        now=lambda: datetime.now(UTC),
        new_id=stock.new_id,
        timeout_s=2,
    )
    seconds = []
    for _ in range(_FAN_OUTS):
        began = time.perf_counter()
        answers = await client.balances(asks)
        seconds.append(time.perf_counter() - began)
        if any(answer.units is None for answer in answers.values()):
            raise BenchFailed("An issuer gave no balance.")
    await client.close()
    return seconds
