"""What people do in every journey: register, sign in, take a number, pay at the mall."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from obverse.cli.journeys.places import LinkedCard
from obverse.cli.journeys.running import StepFailed, check
from obverse.cli.journeys.world import Answer, Caller, Number, World
from obverse.kit.secret import Secret
from obverse.sandbox.luhn import check_digit


@dataclass(frozen=True, slots=True)
class Member:
    """A registered person, with the password only they know."""

    name: str
    id: str
    password: str = field(repr=False)
    sources: tuple[str, ...] = ()


async def register(world: World, name: str, card: LinkedCard | None = None) -> Member:
    """Register somebody: with a real card, or without one for the provider's own credit (OT-1 to OT-4)."""
    password = f"{name}-{world.rng.getrandbits(64):x}"
    body: dict[str, Any] = {
        "identity_number": world.identity_number(card.birth_date if card else "900101"),
        "address": "12 Sejong-daero, Seoul",
        "password": password,
        "credit_line": card is None,
    }
    if card is not None:
        shown = asdict(card)
        body |= {name: shown[name] for name in ("exp_month", "exp_year", "cvv", "birth_date")}
        body["card_number"] = card.number
    answer = await world.operator.post("/v1/members", body)
    check("registration", answer.status, 201)
    sources = answer.body["funding_sources"]
    check("funding", [source["kind"] for source in sources], ["linked_card" if card else "credit_line"])
    return Member(name, answer.body["id"], password, tuple(source["id"] for source in sources))


async def sign_in(world: World, member: Member) -> Caller:
    """Sign in; a wrong password and a wrong ID are turned away alike first (OT-5)."""
    stranger = world.person(member.name)
    wrong_password = await stranger.post(
        "/v1/sessions", {"member": member.id, "password": "not the password"}
    )
    wrong_id = await stranger.post(
        "/v1/sessions", {"member": member.id[:-4] + "0000", "password": member.password}
    )
    check("wrong password", (wrong_password.status, wrong_password.body["code"]), (401, "wrong_credentials"))
    check("wrong ID", (wrong_id.status, wrong_id.body["code"]), (401, "wrong_credentials"))
    session = await stranger.post("/v1/sessions", {"member": member.id, "password": member.password})
    check("signing in", session.status, 201)
    return world.person(member.name, session.body["token"])


async def take_number(member: Caller, **controls: Any) -> Number:
    """Have a one-time number issued and shown (OT-6, OT-7)."""
    card = await member.post("/v1/cards", {"controls": controls})
    check("issuing", (card.status, card.body.get("state")), (201, "active"))
    return number_of(await member.post(f"/v1/cards/{card.body['id']}/reveal"))


def number_of(face: Answer) -> Number:
    """The number out of a `reveal`; it has to look like any card's (OT-6)."""
    check("reveal", face.status, 200)
    number = face.body["number"]
    check("its length and check digit", (len(number), check_digit(number[:-1])), (16, number[-1]))
    return Number(
        face.body["card"],
        Secret(number),
        face.body["exp_month"],
        face.body["exp_year"],
        Secret(face.body["cvv"]),
    )


async def check_out(
    buyer: Caller,
    number: Number,
    amount: int,
    road: str = "clearing_house",
    *,
    order: str | None = None,
    cvv: str | None = None,
) -> Mapping[str, Any]:
    """Fill in the mall's checkout page; naming an `order` sends its payment once more."""
    form = {
        "amount": amount,
        "card_number": number.number.reveal(),
        "exp_month": number.exp_month,
        "exp_year": number.exp_year,
        "cvv": cvv or number.cvv.reveal(),
        "road": road,
        "order": order,
    }
    answer = await buyer.post("/checkout", form)
    if answer.status != 200:
        raise StepFailed(f"The mall answered {answer.status}.")
    return answer.body


async def void(buyer: Caller, order: Mapping[str, Any], number: Number) -> Mapping[str, Any]:
    """Have the mall take an order back."""
    typed = {"card_number": number.number.reveal()} if order["road"] == "clearing_house" else {}
    answer = await buyer.post(f"/orders/{order['id']}/void", typed)
    check("voiding", answer.status, 200)
    return answer.body


async def only_payment(member: Caller, card: str) -> Mapping[str, Any]:
    """The one payment that was ever approved with this card, as its member sees it."""
    answer = await member.get(f"/v1/payments?card={card}")
    check("looking up payments", answer.status, 200)
    kept = [payment for payment in answer.body["data"] if payment["status"] != "declined"]
    check("payments that went through", len(kept), 1)
    payment: Mapping[str, Any] = kept[0]
    return payment


async def books_balance(world: World) -> None:
    """Debits equal credits, whatever has happened (P2)."""
    answer = await world.operator.get("/v1/ledger/trial_balance")
    check("the trial balance", answer.body["balanced"], True)
