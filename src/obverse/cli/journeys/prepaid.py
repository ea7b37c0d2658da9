"""What journeys of prepaid cards have in common: a card site where anybody buys, and what comes by mail."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from obverse.cli.journeys.places import LinkedCard
from obverse.cli.journeys.running import StepFailed, check
from obverse.cli.journeys.wallets import programme_on_sale
from obverse.cli.journeys.world import Answer, Caller, Number, World, eventually
from obverse.kit.secret import Secret

DENOMINATIONS: Final = (5_000, 10_000, 20_000, 30_000, 50_000, 100_000)
CHARGE_UNIT: Final = 10_000
CEILING: Final = 1_000_000
"""In won (PP-1, PP-9)."""

TRANSFER: Final[Mapping[str, Any]] = {"means": "bank_transfer"}
ORDERS: Final = "orders"
GIFTS: Final = "gifts"
"""Pages that links in letters lead to."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A card in its buyer's hand, with the PIN that was drawn for it."""

    number: Number
    pin: Secret


@dataclass(frozen=True, slots=True)
class Bought:
    """A card that its buyer has set up; `token` is its holder's."""

    number: Number
    token: Secret
    holder: Caller


async def cards_on_sale(world: World, name: str, **terms: Any) -> str:
    """The operator sets up a programme of prepaid cards (PP-1, PP-9, PP-15); its id."""
    usual = {"denominations": DENOMINATIONS, "charge_unit": CHARGE_UNIT, "ceiling": CEILING}
    return await programme_on_sale(world, name, **(usual | terms))


def mailbox(world: World, name: str) -> str:
    """A mail address that nobody has used before."""
    return f"{name.lower()}{world.rng.getrandbits(32):08x}@mail.example"


def random_key(world: World) -> str:
    """An `Idempotency-Key` for those without an account: they share one pot of keys."""
    return f"{world.rng.getrandbits(128):032x}"


# ordering --------------------------------------------------------------------------------------------------


def by_card(card: LinkedCard) -> dict[str, Any]:
    """Payment by a real card that is typed in."""
    return {"means": "card", "card": typed(card)}


def typed(card: LinkedCard) -> dict[str, Any]:
    """What a form asks of a real card."""
    shown = asdict(card)
    names = ("exp_month", "exp_year", "cvv", "birth_date")
    return {"card_number": card.number} | {name: shown[name] for name in names}


def line(programme: str, denomination: int, count: int = 1, **more: Any) -> dict[str, Any]:
    """A line of an order."""
    return {"programme": programme, "denomination": denomination, "count": count, **more}


async def place_order(
    buyer: Caller, mail: str, lines: Sequence[Mapping[str, Any]], payment: Mapping[str, Any], *, key: str
) -> Answer:
    """Order cards without an account (PP-2)."""
    who = {"name": "Somebody", "phone": "010-1234-5678", "mail": mail}
    order = {"buyer": who, "lines": lines, "payment": payment, "language": "en"}
    return await buyer.post("/v1/orders", order, key=key)


async def order_becomes(buyer: Caller, status: str) -> None:
    """Wait until the order has got so far."""

    async def now() -> object:
        return (await buyer.untold().get("/v1/orders/current")).body["status"]

    check("the order", await eventually(now, status), status)


async def cards_of(buyer: Caller) -> Sequence[Drawn]:
    """The cards in the buyer's hand, as the page behind the order's link shows them."""
    faces = (await buyer.post("/v1/orders/current/reveal")).body["cards"]
    pieces = (await buyer.get("/v1/orders/current/pieces")).body["data"]
    ids = {piece["number"]: piece["card"]["id"] for piece in pieces if piece["card"]}
    return [
        Drawn(
            Number(
                ids[face["piece"]],
                Secret(face["number"]),
                face["exp_month"],
                face["exp_year"],
                Secret(face["cvv"]),
            ),
            Secret(face["pin"]),
        )
        for face in faces
    ]


async def set_up(buyer: Caller, piece: int, pin: str) -> Secret:
    """Give a card in the buyer's hand a PIN and a hint: it is active (PP-3). The token of its holder."""
    wish = {"pin": pin, "pin_again": pin, "pin_hint": "As always"}
    answer = await buyer.post(f"/v1/orders/current/pieces/{piece}/set_up", wish)
    check("setting up", (answer.status, answer.body["piece"]["state"]), (200, "set_up"))
    return Secret(answer.body["holder_token"])


async def buys_one_card(world: World, name: str, programme: str, amount: int, pin: str) -> Bought:
    """Somebody buys one card by bank transfer and sets it up for themselves."""
    site, mail = world.person(name), mailbox(world, name)
    placed = await place_order(site, mail, [line(programme, amount)], TRANSFER, key=random_key(world))
    check("the order", (placed.status, placed.body.get("status")), (201, "unpaid"))
    buyer = world.person(name, placed.body["token"])
    await world.pay_by_bank(name, amount, placed.body["payment"]["pay_to"]["reference"])
    await order_becomes(buyer, "allocated")
    (card,) = await cards_of(buyer)
    token = await set_up(buyer, 1, pin)
    return Bought(card.number, token, world.person(name, token.reveal()))


# letters ---------------------------------------------------------------------------------------------------


def token_in(letter: Mapping[str, Any], page: str) -> str:
    """The token of the link to this page that the letter carries."""
    found = re.search(rf"/{page}#(\S+)", letter["text"])
    if found is None:
        raise StepFailed(f"The letter has no link to /{page}.")
    return found[1]


def secrets_in(letter: Mapping[str, Any], *secrets: Secret) -> int:
    """How many of these the letter gives away."""
    told = letter["subject"] + letter["text"] + letter["html"]
    return sum(secret.reveal() in told for secret in secrets)


# holding ---------------------------------------------------------------------------------------------------


async def left_on(holder: Caller) -> tuple[int, int]:
    """What may be spent of the card that this holder has, and what is held on it."""
    balance = (await holder.get("/v1/claims/current/balance")).body
    return balance["available"], balance["held"]


async def history_of(holder: Caller) -> Sequence[tuple[str, int, int]]:
    """What happened with the card: kind, amount and the balance after it, oldest first."""
    history = (await holder.get("/v1/claims/current/history?limit=100")).body["data"]
    return [(entry["kind"], entry["amount"], entry["balance"]) for entry in reversed(history)]


async def refunds(
    holder: Caller, account: Mapping[str, Any], amount: int, *, key: str, closes: bool = True
) -> None:
    """Have what is left paid to a bank account, and the card closed if nothing is left on it (PP-13)."""
    wish = {"account": account, "close": True}
    refund = await holder.post("/v1/claims/current/balance_refunds", wish, key=key)
    found = (refund.status, refund.body.get("amount"), refund.body.get("card_closed"))
    check("the refund", found, (201, amount, closes))


async def comes_to(world: World, account: Mapping[str, Any], amount: int) -> None:
    """Wait until so much lies in a bank account."""

    async def balance() -> object:
        return await world.balance_of(account["number"])

    check("in the account", await eventually(balance, amount), amount)
