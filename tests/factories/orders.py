"""Orders for tests: a buyer, what they order, and the rooms from engine to orders joined."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace
from tests.factories.draws import OWN, FakeBank, a_treasury
from tests.factories.engine import EngineWorld, an_engine_world
from tests.factories.letters import RENDERER
from tests.factories.programmes import a_programme
from tests.factories.sales import selling_rooms
from tests.factories.stored_value import a_calendar
from tests.factories.treasury import a_statement, an_entry
from tests.factories.wallet import House, card_details

from obverse.authorization import Authorization, AuthorizationRequest, Entry
from obverse.cards import Card, CardKind, NewPin
from obverse.kit.ids import PartitionId
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Sealed, Secret
from obverse.ledger import Ledger
from obverse.letters import Channel, Language
from obverse.letters.model import Due, Written
from obverse.letters.service import letter_context, read_contents
from obverse.orders import (
    Allocation,
    Around,
    BulkTerms,
    BulkWish,
    Buyer,
    Gift,
    Line,
    Orders,
    OrderWish,
    Placed,
    Revealed,
)
from obverse.programmes import Programme
from obverse.sales import How, Means, Sales, SalesAtBank
from obverse.treasury import Treasury

BY_TRANSFER = How(Means.BANK_TRANSFER)
HOME = "192.0.2.7"


def by_card(**changes: Any) -> How:
    """A real card that nobody has used before."""
    return How(Means.CARD, card=card_details(**changes))


def a_buyer(**changes: Any) -> Buyer:
    given = {"name": Secret("Buyer"), "phone": Secret("010-1234-5678"), "mail": Secret("buyer@example.com")}
    return Buyer(**given | changes)


def a_gift(mail: str = "friend@example.com", **changes: Any) -> Gift:
    return Gift(**{"mail": Secret(mail), "sender": Secret("Buyer")} | changes)


def a_list(*rows: str, header: str = "mail,name,amount,message") -> Secret:
    """A company's list as CSV."""
    return Secret("\n".join((header, *rows)) + "\n")


def a_pin(pin: str = "482913", hint: str | None = "the usual") -> NewPin:
    return NewPin(Secret(pin), Secret(pin), hint)


def around(house: House, sales: Sales, **changes: Any) -> Around:
    """What the orders room stands on."""
    given = {
        "database": house.database,
        "vault": house.vault,
        "sales": sales,
        "balances": house.balances,
        "stored_cards": house.stored_cards,
        "cards": house.cards,
        "pins": house.pins,
        "letters": house.letters,
        "calendar": a_calendar(),
        "clock": house.clock,
        "new_id": house.new_id,
        "random_bytes": house.random_bytes,
        "own": OWN,
    }
    return Around(**given | changes)


@dataclass
class Shop:
    """A place that sells cards to people without an account, and everything behind it."""

    world: EngineWorld
    treasury: Treasury
    bank: FakeBank
    sales: Sales
    at_bank: SalesAtBank
    orders: Orders
    allocation: Allocation
    programme: Programme

    @property
    def house(self) -> House:
        return self.world.house

    def line(self, denomination: int = 5_000, count: int = 1, gift: Gift | None = None) -> Line:
        return Line(self.programme.id, denomination, count, gift)

    def wish(self, *lines: Line, how: How | None = None, **changes: Any) -> OrderWish:
        given = {
            "buyer": a_buyer(),
            "lines": lines or (self.line(),),
            "how": how or by_card(),
            "language": Language.ENGLISH,
        }
        return OrderWish(**given | changes)

    def bulk(self, file: Secret, how: How | None = None) -> BulkWish:
        return BulkWish(
            buyer=a_buyer(),
            file=file,
            terms=BulkTerms(Secret("A Company"), self.programme.id),
            how=how or by_card(),
            language=Language.KOREAN,
        )

    async def bought(self, *lines: Line, how: How | None = None) -> Placed:
        """An order that is paid and allocated."""
        placed = await self.orders.place(self.wish(*lines, how=how), origin=HOME)
        await self.allocation.allocate()
        return await self.again(placed)

    async def again(self, placed: Placed) -> Placed:
        """The order as it is now."""
        now = await self.orders.get(placed.order.id)
        return Placed(now.order, now.sale, placed.token)

    async def transfer(self, placed: Placed, amount: int | None = None) -> None:
        """The buyer's transfer comes in, and the treasury's statement tells of it."""
        reference = placed.sale.reference
        assert reference is not None
        id_ = self.house.new_id().hex
        entry = an_entry(str(amount or placed.order.total_minor), text=reference, ref=id_)
        await self.treasury.import_statement(a_statement(entry, id_=id_))
        await self.at_bank.take_receipts()

    async def spend(self, shown: Revealed, amount: int = 3_000) -> Authorization:
        """Pay online with a revealed card and its PIN."""
        return await self.world.engine.authorize(
            AuthorizationRequest(
                request_key=f"test:{self.house.new_id()}",
                number=shown.face.number,
                expiry=shown.face.expiry,
                cvv=None,
                pin=shown.pin,
                amount=Money(amount, KRW),
                merchant=replace(self.world.shop, accepts=frozenset(CardKind)),
                terminal=None,
                entry=Entry.ONLINE,
                capture=True,
            )
        )

    async def letters(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Every letter so far: template, address, data."""
        async with self.house.database.connection() as conn:
            rows = await conn.fetch("select id, template, sealed, sealed_key from letters order by id")
        found = []
        for row in rows:
            sealed = Sealed(row["sealed_key"], row["sealed"])
            contents = read_contents(self.house.vault.open(sealed, letter_context(row["id"])))
            found.append((row["template"], contents.to, contents.data))
        return found

    async def written_letters(self) -> list[tuple[str, Written]]:
        """Every letter so far as its reader gets it, by its template."""
        async with self.house.database.connection() as conn:
            rows = await conn.fetch("select * from letters order by id")
        written = []
        for row in rows:
            sealed = Sealed(row["sealed_key"], row["sealed"])
            due = Due(
                row["id"],
                Channel(row["channel"]),
                row["template"],
                Language(row["language"]),
                row["subject_id"],
                1,
                sealed,
                row["created_at"],
            )
            contents = read_contents(self.house.vault.open(sealed, letter_context(due.id)))
            written.append((due.template, RENDERER.write(due, contents)))
        return written

    async def claim_tokens(self) -> list[Secret]:
        """The claim tokens of gift mails, oldest first."""
        found = [data["link"] for template, _, data in await self.letters() if template == "gift"]
        return [Secret(link.partition("#")[2]) for link in found]

    async def balance(self, kind: str) -> int:
        """All accounts of a kind: credits less debits."""
        lines = await Ledger(self.house.database).trial_balance()
        return sum(
            line.credits_posted_minor - line.debits_posted_minor for line in lines if line.kind == kind
        )

    async def cards(self) -> Sequence[Card]:
        """Every card with a balance of its own that was ever made."""
        async with self.house.database.connection() as conn:
            rows = await conn.fetch("select id from cards where programme_id is not null order by id")
        return [await self.house.cards.get(row["id"]) for row in rows]

    async def bounce(self, template: str = "gift") -> None:
        """Have every letter of this kind that was not sent yet come back."""
        async with self.house.database.transaction() as conn:
            await conn.execute(
                "update letters set state = 'bounced', next_at = null, over_at = $2, problem = 'refused'"
                " where template = $1 and state = 'ready'",
                template,
                self.house.clock.now(),
            )


async def a_shop(house: House, partitions: int = 1) -> Shop:
    """A shop with one programme: every denomination, and gifts."""
    ids = [PartitionId(number) for number in range(partitions)]
    world = await an_engine_world(house, partitions=partitions)
    await Ledger(house.database).open_house(ids, KRW)
    bank = FakeBank()
    treasury = a_treasury(house, bank)
    rooms = selling_rooms(house, world.engine, treasury)
    await rooms.sales.start(ids, KRW)
    joined = around(house, rooms.sales, partitions=partitions)
    programme = await a_programme(house)
    return Shop(
        world, treasury, bank, rooms.sales, rooms.at_bank, Orders(joined), Allocation(joined), programme
    )
