"""The rooms from vault to wallet joined as the bootstrap joins them, with fakes for what is outside."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import time
from itertools import count
from pathlib import Path

from tests.factories.members import ANSWER, a_profile, an_application, quick_passwords
from tests.factories.merchants import merchants_room
from tests.factories.vault import a_real_number

from obverse.cards import Cards, Fulfilments, Pins, StoredValueCards
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.errors import Unavailable
from obverse.kit.ids import NewId, PartitionId
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Secret
from obverse.letters import Letters
from obverse.members import Member, Members
from obverse.merchants import Merchants
from obverse.programmes import Programmes
from obverse.vault import KeyRing, Vault
from obverse.wallet import (
    Balances,
    CardBatches,
    CardDetails,
    CardFunding,
    CheckResult,
    CreditStanding,
    RegisteredCards,
    Source,
    StandIns,
    Terms,
    Wallet,
)

BIN = "941012"
CREDIT_LIMIT = 1_000_000
MONTH_END = Calendar("Asia/Seoul", time(), "KR").month_end
_cards = count(1)


@dataclass
class FakeBureau:
    """A credit bureau that says what it is told to, and remembers whom it was asked about."""

    answer: CreditStanding | None = CreditStanding.GOOD
    asked: list[Secret] = field(default_factory=list)

    async def standing(self, identity_number: Secret) -> CreditStanding:
        self.asked.append(identity_number)
        await asyncio.sleep(0)
        if self.answer is None:
            raise Unavailable
        return self.answer


@dataclass
class FakeCardCheck:
    """A card company that gives one answer to every zero-amount check."""

    answer: CheckResult = CheckResult.VERIFIED
    asked: list[CardDetails] = field(default_factory=list)

    async def verify(self, details: CardDetails) -> CheckResult:
        self.asked.append(details)
        await asyncio.sleep(0)
        return self.answer


@dataclass
class House:
    """The rooms below the engine, over one database."""

    database: Database
    clock: Clock
    new_id: NewId
    random_bytes: Callable[[int], bytes]
    vault: Vault
    merchants: Merchants
    members: Members
    cards: Cards
    wallet: Wallet
    bureau: FakeBureau
    card_check: FakeCardCheck
    balances: Balances
    stored_cards: StoredValueCards
    letters: Letters
    programmes: Programmes
    pins: Pins
    stand_ins: StandIns
    fulfilments: Fulfilments
    batches: CardBatches
    registered: RegisteredCards
    card_funding: CardFunding


def build_house(
    database: Database,
    key_file: Path,
    clock: Clock,
    new_id: NewId,
    random_bytes: Callable[[int], bytes],
    *,
    partitions: int = 1,
) -> House:
    """Join vault, merchants, members, cards and wallet; bureau and card check are fakes."""
    vault = Vault(_key_ring(key_file, random_bytes), random_bytes)
    merchants = merchants_room(database, clock, new_id, partitions, vault)
    letters = Letters(database, vault, clock=clock, new_id=new_id)
    members = Members(
        database,
        vault,
        quick_passwords(),
        letters,
        clock=clock,
        random_bytes=random_bytes,
        new_id=new_id,
        partitions=partitions,
    )
    balances = Balances(database, [PartitionId(p) for p in range(partitions)], clock=clock, new_id=new_id)
    cards = Cards(
        database,
        vault,
        merchants,
        balances.hand_on,
        clock=clock,
        random_bytes=random_bytes,
        new_id=new_id,
        bin_=BIN,
        partitions=partitions,
    )
    stored_cards = StoredValueCards(vault, clock=clock, new_id=new_id, bin_=BIN)
    pins = Pins(
        database,
        vault,
        clock=clock,
        random_bytes=random_bytes,
        new_id=new_id,
        bin_=BIN,
        partitions=partitions,
    )
    bureau, card_check = FakeBureau(), FakeCardCheck()
    wallet = Wallet(
        database,
        members,
        cards,
        vault,
        bureau,
        card_check,
        clock=clock,
        new_id=new_id,
        own_bin=BIN,
        terms=Terms(KRW, CREDIT_LIMIT),
        month_end=MONTH_END,
    )
    return House(
        database=database,
        clock=clock,
        new_id=new_id,
        random_bytes=random_bytes,
        vault=vault,
        merchants=merchants,
        members=members,
        cards=cards,
        wallet=wallet,
        bureau=bureau,
        card_check=card_check,
        balances=balances,
        stored_cards=stored_cards,
        letters=letters,
        programmes=Programmes(database, merchants.known, clock=clock, new_id=new_id, currency=KRW),
        pins=pins,
        stand_ins=StandIns(
            database,
            vault,
            members,
            cards,
            stored_cards,
            pins,
            balances,
            letters,
            clock=clock,
            new_id=new_id,
        ),
        fulfilments=Fulfilments(
            database,
            vault,
            clock=clock,
            random_bytes=random_bytes,
            new_id=new_id,
            bin_=BIN,
            partitions=partitions,
        ),
        batches=CardBatches(
            database,
            vault,
            merchants,
            stored_cards,
            balances,
            clock=clock,
            new_id=new_id,
            random_bytes=random_bytes,
            partitions=[PartitionId(p) for p in range(partitions)],
        ),
        registered=RegisteredCards(database, vault, members, cards, wallet, clock=clock, month_end=MONTH_END),
        card_funding=CardFunding(database, cards, clock=clock, new_id=new_id),
    )


def card_details(**changes) -> CardDetails:
    """A card of the sandbox card company that no other test links."""
    given = {
        "number": a_real_number(next(_cards)),
        "exp_month": 12,
        "exp_year": 2030,
        "cvv": Secret("123"),
        "birth_date": Secret("900101"),
    } | changes
    return CardDetails(**given)


async def a_member_with_credit_line(house: House, limit: int = CREDIT_LIMIT) -> tuple[Member, Source]:
    """A member of a provider that is the card company itself."""
    member, sources = await house.wallet.register(an_application(), None, credit=True)
    (line,) = sources
    if limit != CREDIT_LIMIT:
        await house.wallet.remove(line.id)
        line = await house.wallet.open_credit_line(member.id, Money(limit, KRW))
    return member, line


async def a_wallet_member(house: House, **changes: object) -> Member:
    """A member with a profile (WA-1) and nothing behind it; `changes` are to the profile."""
    application = an_application(address=None, profile=a_profile(**changes), answer=ANSWER)
    member, _ = await house.wallet.register(application, None, credit=False)
    return member


async def a_member_with_linked_card(house: House) -> tuple[Member, Source]:
    """A member of an independent provider."""
    member, (source,) = await house.wallet.register(an_application(), card_details(), credit=False)
    return member, source


def _key_ring(key_file: Path, random_bytes: Callable[[int], bytes]) -> KeyRing:
    return KeyRing.load(key_file) if key_file.exists() else KeyRing.create(key_file, random_bytes)
