"""Points issuers, their rates and members' accounts with them; the issuers are fakes in this process."""

import asyncio
import os
from dataclasses import dataclass, field
from itertools import count

from tests.factories.merchants import BY_HAND
from tests.factories.wallet import House, a_member_with_linked_card

from obverse.cards.model import Card
from obverse.kit.errors import Unavailable
from obverse.kit.ids import CardId, MemberId, PartitionId, PointsIssuerId
from obverse.kit.money import KRW
from obverse.kit.secret import Secret
from obverse.members import Member
from obverse.points import (
    Account,
    Issuer,
    IssuerRates,
    Issuers,
    IssuerTerms,
    LinkBegun,
    LinkProof,
    Links,
    Lookups,
)
from obverse.wallet import RegistrationWish, Source

CODE = Secret("246810")
"""What every owner is sent."""
LOOKUPS_PER_MINUTE = 5
_numbers = count(1)


@dataclass
class FakeLinkIssuers:
    """Issuers that know every account but those named, and send everybody the same code."""

    unknown: set[str] = field(default_factory=set)
    down: bool = False
    begun: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    """The codes that members have shown."""
    same_handle: str | None = None
    """What every account is called from now on."""

    async def begin_link(self, issuer_id: PointsIssuerId, account: Secret) -> LinkBegun | None:
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable
        number = account.reveal()
        self.begun.append(number)
        return None if number in self.unknown else LinkBegun(f"lnk_{len(self.begun)}")

    async def prove_link(self, issuer_id: PointsIssuerId, link: str, code: Secret) -> LinkProof | None:
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable
        self.shown.append(code.reveal())
        handle = self.same_handle or f"handle-{self.begun[int(link.removeprefix('lnk_')) - 1]}"
        return LinkProof(Secret(handle)) if code == CODE else None


@dataclass
class PointsHouse:
    """The points room over a house, and the issuers that it asks."""

    house: House
    network: FakeLinkIssuers
    issuers: Issuers
    rates: IssuerRates
    links: Links
    lookups: Lookups

    async def issuer(self, **changes: object) -> Issuer:
        """An issuer nobody else uses."""
        return (await self.issuers.create(terms(**changes), BY_HAND))[0]

    async def account(self, member_id: MemberId, issuer: Issuer, card_id: CardId | None = None) -> Account:
        """A proved account that nobody else has."""
        pending = await self.links.begin(member_id, issuer.id, a_number(), card_id=card_id)
        return await self.links.prove(member_id, pending.id, CODE)

    async def registered_card(self) -> tuple[Member, Source, Card]:
        """A member, the source that stands for a real card of theirs, and that card registered."""
        member, source = await a_member_with_linked_card(self.house)
        issued = await self.house.registered.register(member.id, RegistrationWish(source.id))
        return member, source, issued.card

    async def number_of(self, card: Card) -> Secret:
        """The real number of a registered card, as somebody types it."""
        assert card.vault_card_id is not None
        async with self.house.database.connection() as conn:
            return (await self.house.vault.open_cards(conn, [card.vault_card_id]))[card.vault_card_id].number


def points_house(
    house: House, *, partitions: int = 1, https_only: bool = False, network: FakeLinkIssuers | None = None
) -> PointsHouse:
    """Join the room as the bootstrap does."""
    network = network or FakeLinkIssuers()
    database, vault, clock, new_id = house.database, house.vault, house.clock, house.new_id
    return PointsHouse(
        house,
        network,
        Issuers(
            database,
            vault,
            clock=clock,
            new_id=new_id,
            random_bytes=os.urandom,
            partitions=[PartitionId(number) for number in range(partitions)],
            currency=KRW,
            https_only=https_only,
        ),
        IssuerRates(database, clock=clock, new_id=new_id),
        Links(database, house.members, house.cards, vault, network, clock=clock, new_id=new_id),
        Lookups(database, vault, clock=clock, new_id=new_id, per_minute_max=LOOKUPS_PER_MINUTE),
    )


def terms(**changes: object) -> IssuerTerms:
    """What an operator says of an issuer."""
    number = next(_numbers)
    given = {
        "name": f"Sky Miles {number}",
        "short_name": f"SKY {number}"[:12],
        "unit": "miles",
        "url": "http://127.0.0.1:9/points",
        "two_phase": True,
    } | changes
    return IssuerTerms(**given)  # type: ignore[arg-type]


def a_number() -> Secret:
    """An account number that no other test uses, as it is printed."""
    return Secret(f"7700-{next(_numbers):08d}")
