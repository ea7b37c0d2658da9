"""What journeys of wallets and of prepaid cards have in common: programmes, shops, people, cards, mail."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from obverse.cli.journeys.money import becomes_merchant, signs_in_again
from obverse.cli.journeys.people import Member, number_of
from obverse.cli.journeys.places import LinkedCard, MerchantPlace
from obverse.cli.journeys.running import StepFailed, check
from obverse.cli.journeys.world import Caller, Number, World, check_status, eventually

STORED_VALUE: Final = ("one_time", "prepaid", "gift")
"""Kinds of cards, for shops that take prepaid cards too."""

_ID_LENGTH_MAX: Final = 12


@dataclass(frozen=True, slots=True)
class WalletMember(Member):
    """Somebody who has joined with a profile (WA-1), and where they are reached."""

    chosen_id: str = ""
    mail: str = ""
    mobile: str = ""


# the operator, shops and agents ----------------------------------------------------------------------------


async def programme_on_sale(world: World, name: str, **terms: Any) -> str:
    """The operator sets up a programme (PP-15); its id. `terms` as in `POST /v1/programmes`."""
    usual = {"name": name, "ceiling": 200_000, "validity_months": 12, "refundable": True}
    created = await world.operator.post("/v1/programmes", {"reason": "For sale.", **usual, **terms})
    check("the programme", (created.status, created.body.get("state")), (201, "active"))
    programme: str = created.body["id"]
    return programme


async def takes_prepaid_cards(world: World, role: str, name: str, category: str) -> MerchantPlace:
    """A shop that joins, and takes prepaid and gift cards beside one-time numbers."""
    return await becomes_merchant(world, role, name, category, accepts=STORED_VALUE)


async def becomes_agent(world: World, merchant: MerchantPlace) -> None:
    """The operator lets a shop sell cards and take cash for them (PP-4, WA-6)."""
    change = {"reason": "It sells our cards.", "is_agent": True}
    check_status(await world.operator.patch(f"/v1/merchants/{merchant.id}", change))


# people ----------------------------------------------------------------------------------------------------


async def join_in_full(world: World, name: str, **profile: Any) -> WalletMember:
    """Join with a profile, having asked for member ID and nickname while typing (WA-1).

    In English and told by mail, unless `profile` has other fields of `POST /v1/members`.
    """
    mark = f"{world.rng.getrandbits(32):08x}"
    chosen = f"{name[: _ID_LENGTH_MAX - len(mark)]}{mark}"
    member = WalletMember(
        name=name,
        id="",
        password=f"{name}-{world.rng.getrandbits(64):x}",
        chosen_id=chosen,
        mail=f"{chosen.lower()}@mail.example",
        mobile=f"+8210{world.rng.randrange(10**6, 10**7)}1",
    )
    asked = f"/v1/members/availability?member_id={chosen}&nickname={chosen}"
    visitor = world.person(name)
    free = (await visitor.get(asked)).body
    check("free", (free["member_id"], free["nickname"]), (True, True))
    form = _joining(world, member) | {"profile": _profile(member) | profile}
    typo = await world.operator.post("/v1/members", form | {"password_again": "another one"})
    check("two passwords", (typo.status, typo.body.get("param")), (400, "password_again"))
    joined = await world.operator.post("/v1/members", form | {"password_again": member.password})
    check("joining", joined.status, 201)
    taken = (await visitor.get(asked)).body
    check("free afterwards", (taken["member_id"], taken["nickname"]), (False, False))
    return replace(member, id=joined.body["id"])


async def opens_wallet(world: World, member: WalletMember) -> Caller:
    """Sign in with the ID of one's choice."""
    return await signs_in_again(world, replace(member, id=member.chosen_id))


async def links_card(member: Caller, card: LinkedCard) -> str:
    """Link a real card, whose company says that it is the member's own (WA-5); the source's id."""
    names = ("exp_month", "exp_year", "cvv", "birth_date")
    fields = {name: value for name, value in asdict(card).items() if name in names}
    linked = await member.post("/v1/linked_cards", fields | {"card_number": card.number})
    check("linking", (linked.status, linked.body.get("kind")), (201, "linked_card"))
    source: str = linked.body["id"]
    return source


async def letter_to(world: World, address: str, about: str) -> Mapping[str, Any]:
    """Wait for a letter with these words in its subject, or a text message with them; the last one."""

    async def found() -> bool:
        return any(about in _headline(letter) for letter in await world.letters_to(address))

    if not await eventually(found, True):
        subjects = [letter["subject"] for letter in await world.letters_to(address)]
        raise StepFailed(f"No letter about {about!r}, only {subjects}.")
    return [letter for letter in await world.letters_to(address) if about in _headline(letter)][-1]


# cards -----------------------------------------------------------------------------------------------------


async def apply_for_card(
    member: Caller, programme: str, pin: str, *, name: str = "", tell_of_use: bool = False
) -> Number:
    """Apply for a prepaid card: PIN typed twice; number and balance of its own at once (WA-3)."""
    wish = {"programme": programme, "pin": pin, "name": name, "tell_of_use": tell_of_use}
    typo = await member.post("/v1/prepaid_cards", wish | {"pin_again": pin[::-1]})
    check("two PINs", (typo.status, typo.body.get("param")), (400, "pin_again"))
    card = await member.post("/v1/prepaid_cards", wish | {"pin_again": pin}, key=f"card {name}")
    check("the application", (card.status, card.body.get("state")), (201, "active"))
    return number_of(await member.post(f"/v1/cards/{card.body['id']}/reveal"))


async def balance_of(member: Caller, card: str) -> tuple[int, int]:
    """What may be spent of a card, and what is held on it."""
    balance = (await member.get(f"/v1/cards/{card}/balance")).body
    return balance["available"], balance["held"]


async def charge(
    member: Caller, card: str, amount: int, means: str, *, key: str = "charge", source: str | None = None
) -> Mapping[str, Any]:
    """Ask for a card to be charged (WA-6, PP-9); the charge as far as it got."""
    wish = {"amount": amount, "means": means} | ({"source": source} if source else {})
    answer = await member.post(f"/v1/cards/{card}/charges", wish, key=key)
    check("the charge", answer.status, 201)
    return answer.body


async def charge_arrives(member: Caller, charged: Mapping[str, Any], state: str = "done") -> None:
    """Wait until what was asked for is paid, and on the card."""

    async def now() -> object:
        return (await member.untold().get(f"/v1/charges/{charged['id']}")).body["status"]

    check("the charge", await eventually(now, state), state)


async def pays_with_pin(
    buyer: Caller,
    number: Number,
    pin: str,
    amount: int,
    road: str,
    *,
    holder: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    """Pay at the mall with number and PIN, and perhaps a form about the holder; the mall's order."""
    form = {"amount": amount, "card_number": number.number.reveal(), "pin": pin, "road": road}
    answer = await buyer.post("/checkout", form | ({"holder": holder} if holder else {}))
    check("the mall's answer", answer.status, 200)
    return answer.body


async def rest_goes_back(world: World, member: Caller, card: str, amount: int) -> None:
    """Have what is left on a card paid to a bank account, and the card closed (PP-13)."""
    account = await world.open_bank_account("the member")
    wish = {"account": account, "close": True}
    refund = await member.post(f"/v1/cards/{card}/balance_refunds", wish, key="the rest")
    check("the rest", (refund.status, refund.body.get("amount")), (201, amount))

    async def paid() -> object:
        refunds = (await member.untold().get(f"/v1/cards/{card}/balance_refunds")).body["data"]
        return refunds[0]["status"]

    check("the refund", await eventually(paid, "paid"), "paid")
    check("in the account", await world.balance_of(account["number"]), amount)


def _joining(world: World, member: WalletMember) -> dict[str, Any]:
    return {"identity_number": world.identity_number(), "password": member.password}


def _profile(member: WalletMember) -> dict[str, Any]:
    return {
        "name": member.name,
        "latin_name": member.name,
        "birth_date": "1990-01-01",
        "calendar": "solar",
        "member_id": member.chosen_id,
        "nickname": member.chosen_id,
        "mail": member.mail,
        "mobile": member.mobile,
        "language": "en",
        "question": "Where did I learn to swim?",
        "answer": "In the river",
    }


def _headline(letter: Mapping[str, Any]) -> str:
    headline: str = letter["subject"] if letter["channel"] == "mail" else letter["text"]
    return headline
