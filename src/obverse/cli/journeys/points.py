"""What journeys of the points relay have in common: issuers, accounts, real cards at a till that is ours."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from obverse.cli.journeys.money import day_is_settled, payout_arrives
from obverse.cli.journeys.places import LinkedCard, MerchantPlace
from obverse.cli.journeys.prepaid import typed
from obverse.cli.journeys.running import check
from obverse.cli.journeys.wallets import WalletMember, letter_to
from obverse.cli.journeys.world import Caller, World, check_status, eventually
from obverse.kit.secret import Secret
from obverse.sandbox.terminal import CardEntry, Receipt, Till

REAL_CARDS: Final = ("one_time", "prepaid", "registered")
"""Kinds of cards, for shops whose tills are ours."""

_CODE_LENGTH: Final = 6
_WRONG_ACCOUNT: Final = "7700000000000000"


@dataclass(frozen=True, slots=True)
class Issuer:
    """A points issuer; `desk` is its name in the sandbox, `secret` what signs our requests to it."""

    id: str
    desk: str
    name: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class PointsAccount:
    """An account of somebody's with an issuer: `number` is what its owner knows, `handle` what we are told
    once it is proved; `source` is then its funding source."""

    issuer: Issuer
    number: Secret
    handle: Secret
    source: str


Split = Sequence[tuple[str, int | None, int]]
"""Who paid a part, how many units, and for how much money."""


# the operator and the issuers ------------------------------------------------------------------------------


async def joins_relay(world: World, desk: str, rate: tuple[int, int], **terms: Any) -> Issuer:
    """The operator takes an issuer in, hands it its secret and says that so many units pay for so many won.

    `terms` as in `POST /v1/points_rates`.
    """
    issuers = (await world.back_office.get("/points_issuers")).body["data"]
    (told,) = [each for each in issuers if each["id"] == desk]
    names = ("name", "short_name", "unit", "url", "two_phase", "tells_van")
    form = {name: told[name] for name in names} | {"reason": "As agreed with it."}
    created = await world.operator.post("/v1/points_issuers", form)
    check("the issuer", (created.status, created.body.get("state")), (201, "active"))
    issuer = Issuer(created.body["id"], desk, told["name"], Secret(created.body["secret"]))
    known = {"secret": issuer.secret.reveal(), "relay_url": world.places.rest_url}
    check_status(await world.back_office.put(f"/points_issuers/{desk}", known))
    await are_worth(world, issuer, rate, **terms)
    return issuer


async def are_worth(world: World, issuer: Issuer, rate: tuple[int, int], **terms: Any) -> None:
    """The operator says that so many units of an issuer pay for so many won, from now on (PR-6)."""
    units, won = rate
    form = {"issuer": issuer.id, "numerator": units, "denominator": won, "reason": "As agreed with it."}
    check("the rate", (await world.operator.post("/v1/points_rates", form | terms)).status, 201)


async def gets_key(world: World, issuer: Issuer) -> Secret:
    """The operator gives an issuer a key to ask which of its own accounts are behind a card (PR-9)."""
    form = {"name": issuer.name, "scopes": ["points"], "points_issuer": issuer.id}
    made = await world.operator.post("/v1/api_keys", form)
    check("the issuer's key", made.status, 201)
    key = Secret(made.body["token"])
    check_status(await world.back_office.put(f"/points_issuers/{issuer.desk}", {"api_key": key.reveal()}))
    return key


async def takes_points_of(world: World, place: MerchantPlace, *issuers: Issuer) -> None:
    """The operator lets a merchant take these points and no others (PR-10)."""
    change = {"reason": "It asked for these.", "accepts_points": [issuer.id for issuer in issuers]}
    check("the merchant", (await world.operator.patch(f"/v1/merchants/{place.id}", change)).status, 200)


async def misbehaves(world: World, issuer: Issuer, kind: str, fault: str | None = None, **how: Any) -> None:
    """Put a line on the issuer's fault menu, or take it off."""
    rule = {"kind": kind, "fault": fault, **how}
    check_status(await world.back_office.put(f"/points_issuers/{issuer.desk}/faults", rule))


# members and their accounts --------------------------------------------------------------------------------


async def registers_real_card(member: Caller, card: LinkedCard) -> str:
    """Register a real card, so that it can be shown itself where a till is ours (PR-1); its id."""
    registered = await member.post("/v1/registered_cards", {"card": typed(card)})
    found = (registered.status, registered.body.get("kind"), registered.body.get("state"))
    check("registering", found, (201, "registered", "active"))
    card_id: str = registered.body["id"]
    return card_id


async def links_account(
    world: World, member: WalletMember, caller: Caller, issuer: Issuer, card: str, units: int
) -> PointsAccount:
    """Somebody with an account of so many units at an issuer puts it behind a card, with the code that the
    issuer sends its owner (PR-1)."""
    number = f"7700{world.rng.randrange(10**12):012d}"
    opened = {"number": number, "units": units, "phone": member.mobile}
    handle = Secret((await _put_account(world, issuer, opened))["handle"])
    form = {"issuer": issuer.id, "account": number, "card": card}
    begun = await caller.post("/v1/points_accounts", form, key=f"link {issuer.id}")
    check("linking", (begun.status, begun.body.get("status")), (201, "pending"))
    source: str = begun.body["id"]
    text = (await letter_to(world, member.mobile, f"{issuer.name}: "))["text"]
    code = next(word for word in text.split() if word.isdecimal() and len(word) == _CODE_LENGTH)
    proof = f"/v1/points_accounts/{source}/prove"
    wrong = await caller.post(proof, {"code": f"{(int(code) + 1) % 10**_CODE_LENGTH:0{_CODE_LENGTH}d}"})
    check("a wrong code", wrong.status, 422)
    proved = await caller.post(proof, {"code": code})
    check("the code", (proved.status, proved.body.get("status")), (200, "proved"))
    return PointsAccount(issuer, Secret(number), handle, source)


async def cannot_link_what_is_not_there(caller: Caller, issuer: Issuer, card: str) -> None:
    """An account that its issuer does not know is refused."""
    form = {"issuer": issuer.id, "account": _WRONG_ACCOUNT, "card": card}
    refused = await caller.post("/v1/points_accounts", form, key=f"no account at {issuer.id}")
    check("an unknown account", (refused.status, refused.body.get("code")), (422, "points_account_unknown"))


async def units_of(world: World, *accounts: PointsAccount) -> Sequence[int]:
    """How many units these accounts have, by their issuers' books."""
    return [(await _account(world, account))["units"] for account in accounts]


async def spends_elsewhere(world: World, account: PointsAccount, left: int) -> None:
    """The owner of an account has spent points of it without us."""
    names = ("number", "phone", "blocked")
    shown = await _account(world, account)
    await _put_account(world, account.issuer, {name: shown[name] for name in names} | {"units": left})


# at the till -----------------------------------------------------------------------------------------------


def held_out(card: LinkedCard) -> CardEntry:
    """A real card as its holder shows it."""
    return CardEntry(Secret(card.number), f"{card.exp_year % 100:02d}{card.exp_month:02d}")


async def looks(world: World, till: Till, card: CardEntry) -> Receipt:
    """Swipe a card and look at the screen: what its points are, and what they are worth (PR-4)."""
    inquiry = await till.inquire(card)
    for line in till.screen(inquiry):
        world.tell(till.shop.name, "screen", line)
    return inquiry


def prints(world: World, till: Till, receipt: Receipt) -> None:
    """The till prints a receipt (PR-5, PR-8)."""
    for line in till.slip(receipt).splitlines():
        world.tell(till.shop.name, "receipt", line)


def rows(inquiry: Receipt) -> Sequence[tuple[str, int | None, int | None, str]]:
    """What the screen says of each account: its issuer, units, worth in won, and what is wrong."""
    return [(row.issuer, row.units, row.worth_minor, row.trouble) for row in inquiry.points.accounts]


def split_of(receipt: Receipt) -> Split:
    """Who has paid which part; for what is not points, its letter (docs/messages/points.md)."""
    return [(part.issuer or part.kind, part.units, part.amount_minor) for part in receipt.points.parts]


def refused(receipt: Receipt) -> tuple[str, str | None]:
    """The response code, and the reason beside it."""
    return receipt.response_code, receipt.points.reason


# at the end ------------------------------------------------------------------------------------------------


async def pays_up(
    world: World, shop: Caller, accounts: Sequence[PointsAccount], *, captured: int, refunded: int = 0
) -> None:
    """The issuers' books and ours are compared, they pay what they owe, and the shop's day is settled."""
    invoices = await books_agree(world, *accounts)
    for invoice in invoices:
        if invoice["open"] > 0:
            await world.pay_by_bank("a points issuer", invoice["open"], invoice["reference"])
    statement = await day_is_settled(world, shop)
    check("the shop's statement", [statement[n] for n in ("captured", "refunded")], [captured, refunded])
    await payout_arrives(world, shop, statement)
    await _are_paid(world, invoices)


async def books_agree(world: World, *accounts: PointsAccount) -> Sequence[Mapping[str, Any]]:
    """Take by take and to the unit, what these accounts have spent by their issuers' books is on the issuers'
    invoices. Returns those; every issuer has joined with this journey, and one of nothing captured has none.
    """
    await everything_is_told(world, *accounts)
    return [invoice for account in accounts if (invoice := await _invoice(world, account))]


async def everything_is_told(world: World, *accounts: PointsAccount) -> None:
    """Wait until the issuers of these accounts have acknowledged what they were told: what is confirmed,
    cancelled, given back."""
    quiet, issuers = world.operator.untold(), {account.issuer.id for account in accounts}

    async def waiting() -> object:
        pending = (await quiet.get("/v1/points_messages?state=pending&limit=100")).body["data"]
        return [message["kind"] for message in pending if message["issuer"] in issuers]

    check("not acknowledged by issuers", await eventually(waiting, []), [])


async def _are_paid(world: World, invoices: Sequence[Mapping[str, Any]]) -> None:
    """Wait until what came in for these invoices has been placed."""
    quiet, nothing = world.operator.untold(), [0] * len(invoices)

    async def left() -> object:
        found = [await quiet.get(f"/v1/points_invoices/{invoice['id']}") for invoice in invoices]
        return [each.body["invoice"]["open"] for each in found]

    check("left to be paid by issuers", await eventually(left, nothing), nothing)


async def _invoice(world: World, account: PointsAccount) -> Mapping[str, Any] | None:
    form = {"issuer": account.issuer.id, "reason": "Up to now."}
    drawn = await world.operator.post("/v1/points_invoices", form)
    ours: Counter[str] = Counter()
    if drawn.status == 200:
        path = f"/v1/points_invoices/{drawn.body['id']}/lines?limit=100"
        for line in (await world.operator.get(path)).body["data"]:
            ours[line["reference"]] += line["units"]
    theirs = {
        take["reference"]: take["units"] - take["units_back"] for take in await takes_of(world, account)
    }
    check(f"the books of {account.issuer.name}", _spent(theirs), _spent(ours))
    return drawn.body if drawn.status == 200 else None


async def takes_of(world: World, account: PointsAccount) -> Sequence[Mapping[str, Any]]:
    """What was taken from an account by its issuer's books; what was declined is left out."""
    path = f"/points_issuers/{account.issuer.desk}/takes?account={quote(account.handle.reveal())}"
    takes = (await world.back_office.get(path)).body["data"]
    return [take for take in takes if take["state"] != "declined"]


def _spent(units: Mapping[str, int]) -> Mapping[str, int]:
    """What was taken and is all back may be in one book and not in the other."""
    return {reference: kept for reference, kept in sorted(units.items()) if kept}


async def _account(world: World, account: PointsAccount) -> Mapping[str, Any]:
    accounts = (await world.back_office.get(f"/points_issuers/{account.issuer.desk}/accounts")).body["data"]
    (found,) = [each for each in accounts if each["number"] == account.number.reveal()]
    shown: Mapping[str, Any] = found
    return shown


async def _put_account(world: World, issuer: Issuer, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    answer = await world.back_office.put(f"/points_issuers/{issuer.desk}/accounts", fields)
    check_status(answer)
    return answer.body
