"""What people and tests see and set in the sandbox: cards, statements, faults, trace, the mall's merchant.

This is the partners' back office; it is no part of any protocol and the platform never calls it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Annotated, Any, Final

import msgspec
from litestar import Litestar, Request, Response, get, post, put
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from obverse.kit.clock import Clock
from obverse.kit.secret import Secret, mask_number
from obverse.sandbox.bank import BankBook, counter
from obverse.sandbox.bills import bill_routes
from obverse.sandbox.card_company import Book, CardCompany, RealCard
from obverse.sandbox.card_company.cards import LIMIT_MINOR, make_card
from obverse.sandbox.clearing_house import ClearingHouse, PointsResultView, Results
from obverse.sandbox.faults import FaultMenu, FaultSetting
from obverse.sandbox.mailbox import Box, mailbox_routes
from obverse.sandbox.mall import Mall
from obverse.sandbox.points_issuer import PointsIssuer, points_routes
from obverse.sandbox.terminal import Shop
from obverse.sandbox.trace import Trace

Amount = Annotated[int, Meta(ge=0, le=999_999_999_999)]


class CardView(msgspec.Struct, frozen=True):
    """A real card as it may be shown; `billing_account` is its handle in this API."""

    billing_account: str
    number: str
    limit: int
    blocked: bool
    held: int


class NewCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Amount = LIMIT_MINOR


class CardFace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A card in full: told once, to whoever had it made."""

    billing_account: str
    number: str
    exp_month: int
    exp_year: int
    cvv: str
    birth_date: str


class CardChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Amount | None = None
    blocked: bool | None = None


class HoldView(msgspec.Struct, frozen=True):
    amount: int
    approval_code: str
    merchant: str
    held_at: datetime
    released_at: datetime | None
    charged: int


class StatementView(msgspec.Struct, frozen=True):
    """`charged` is what was presented, credits deducted."""

    held: int
    released: int
    charged: int
    holds: Sequence[HoldView]


class MessageView(msgspec.Struct, frozen=True, rename={"sender": "from", "receiver": "to"}):
    number: int
    at: datetime
    sender: str
    receiver: str
    kind: str
    fields: Mapping[str, str]


class MallMerchant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which merchant the mall is, and how it reaches the provider directly."""

    acquirer_id: str
    merchant_no: str
    terminal: str
    name: str
    category: str
    rest_url: str
    api_key: str
    id: str = ""
    """What the provider calls it, for wallet programs."""


class ProviderDoor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the provider's acquirer door is."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65535)]


class VanSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to what the VAN decides while the provider is away, and whether the line to it is cut."""

    floor_limit: Amount = 0
    line_down: bool = False


class VanView(VanSetting, frozen=True):
    """`waiting` is how many decisions the provider has not been told of yet; `url` is where tills ask."""

    waiting: int = 0
    url: str = ""


class ClockSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far ahead of the machine's clock the partners' common clock is."""

    offset_seconds: Annotated[int, Meta(ge=0, le=3_155_760_000)]


@dataclass(frozen=True, slots=True)
class Partners:
    """Whom this back office belongs to."""

    card_company: CardCompany
    clearing_house: ClearingHouse
    mall: Mall
    bank: BankBook
    mailbox: Box
    points_issuers: Sequence[PointsIssuer]
    van_results: Results
    van_url: str
    faults: FaultMenu
    trace: Trace


def create_app(partners: Partners, provider_name: str, clock: Clock, rng: Random) -> Litestar:
    """The control app over partners that run in this process."""
    company = partners.card_company
    return Litestar(
        [
            *_cards(company.book, clock, rng),
            *bill_routes(company.book, lambda account: _find(company.book, account)),
            *counter.routes(partners.bank),
            *mailbox_routes(partners.mailbox),
            *points_routes(partners.points_issuers),
            *_faults(company, partners.faults),
            *_time(clock),
            *_roads(partners, provider_name),
        ],
        openapi_config=None,
        exception_handlers={HTTPException: _refused},
    )


def _cards(book: Book, clock: Clock, rng: Random) -> list[Any]:
    @get("/cards")
    async def cards() -> Mapping[str, Sequence[CardView]]:
        return {"data": [_view(book, card) for card in book.cards]}

    @post("/cards")
    async def make(data: JSONBody[NewCard]) -> CardFace:
        card = make_card(rng, clock.now(), data.limit)
        book.add(card)
        return _face(card)

    @put("/cards")
    async def take_back(data: JSONBody[CardFace]) -> CardView:
        """Put a card back into the book that an earlier sandbox had made."""
        card = _card(data)
        book.add(card)
        return _view(book, card)

    @put("/cards/{billing_account:str}")
    async def change(billing_account: FromPath[str], data: JSONBody[CardChange]) -> CardView:
        card = _find(book, billing_account)
        limit = card.limit_minor if data.limit is None else data.limit
        blocked = card.blocked if data.blocked is None else data.blocked
        changed = replace(card, limit_minor=limit, blocked=blocked)
        book.add(changed)
        return _view(book, changed)

    @get("/cards/{billing_account:str}/statement")
    async def statement(billing_account: FromPath[str]) -> StatementView:
        found = book.statement(_find(book, billing_account).number.reveal())
        holds = [
            HoldView(
                hold.amount_minor,
                hold.approval_code,
                hold.merchant,
                hold.held_at,
                hold.released_at,
                hold.charged_minor - hold.credited_minor,
            )
            for hold in found.holds
        ]
        return StatementView(found.held_minor, found.released_minor, found.charged_minor, holds)

    return [cards, make, take_back, change, statement]


def _faults(company: CardCompany, menu: FaultMenu) -> list[Any]:
    @get("/faults")
    async def faults() -> Mapping[str, Sequence[FaultSetting]]:
        return {"data": [FaultSetting.of(kind, rule) for kind, rule in menu.rules().items()]}

    @put("/faults")
    async def set_fault(data: JSONBody[FaultSetting]) -> FaultSetting:
        await company.set_fault(data.kind, data.rule)
        return data

    return [faults, set_fault]


def _time(clock: Clock) -> list[Any]:
    @get("/clock")
    async def told() -> ClockSetting:
        return ClockSetting(clock.offset // timedelta(seconds=1))

    @put("/clock")
    async def move(data: JSONBody[ClockSetting]) -> ClockSetting:
        clock.move_to(timedelta(seconds=data.offset_seconds))
        return data

    return [told, move]


def _roads(partners: Partners, provider_name: str) -> list[Any]:
    @get("/messages")
    async def messages(after: FromQuery[int] = 0) -> Mapping[str, Sequence[MessageView]]:
        return {
            "data": [
                MessageView(entry.number, entry.at, entry.sender, entry.receiver, entry.kind, entry.fields)
                for entry in partners.trace.since(after)
            ]
        }

    @put("/mall")
    async def open_mall(data: JSONBody[MallMerchant]) -> Mapping[str, str]:
        shop = Shop(data.acquirer_id, data.merchant_no, data.terminal, data.name, data.category)
        partners.mall.open_for_business(shop, data.rest_url, Secret(data.api_key), data.id)
        return {"name": shop.name}

    @put("/provider")
    async def route(data: JSONBody[ProviderDoor]) -> ProviderDoor:
        await partners.clearing_house.route_to(provider_name, data.host, data.port)
        return data

    @get("/van")
    async def van() -> VanView:
        stand_in, down = partners.clearing_house.stand_in, partners.clearing_house.lines_down
        assert stand_in is not None, "the sandbox's house stands in for its members"
        waiting = len(stand_in.waiting)
        return VanView(stand_in.floor_limit_minor, provider_name in down, waiting, partners.van_url)

    @put("/van")
    async def set_van(data: JSONBody[VanSetting]) -> VanSetting:
        stand_in, down = partners.clearing_house.stand_in, partners.clearing_house.lines_down
        assert stand_in is not None, "the sandbox's house stands in for its members"
        stand_in.floor_limit_minor = data.floor_limit
        (down.add if data.line_down else down.discard)(provider_name)
        return data

    @get("/van/points_results")
    async def points_results(terminal: FromQuery[str]) -> Mapping[str, Sequence[PointsResultView]]:
        return {"data": partners.van_results.at(terminal)}

    return [messages, open_mall, route, van, set_van, points_results]


def _find(book: Book, billing_account: str) -> RealCard:
    for card in book.cards:
        if card.billing_account == billing_account:
            return card
    raise NotFoundException(detail="No such card.")


def _view(book: Book, card: RealCard) -> CardView:
    number = card.number.reveal()
    held = book.statement(number).held_minor
    return CardView(card.billing_account, mask_number(number), card.limit_minor, card.blocked, held)


def _card(face: CardFace) -> RealCard:
    return RealCard(
        number=Secret(face.number),
        expiry=f"{face.exp_year % 100:02d}{face.exp_month:02d}",
        cvv=Secret(face.cvv),
        birth_date=face.birth_date,
        limit_minor=LIMIT_MINOR,
        billing_account=face.billing_account,
    )


def _face(card: RealCard) -> CardFace:
    return CardFace(
        billing_account=card.billing_account,
        number=card.number.reveal(),
        exp_month=int(card.expiry[2:]),
        exp_year=2000 + int(card.expiry[:2]),
        cvv=card.cvv.reveal(),
        birth_date=card.birth_date,
    )


_REFUSALS: Final = {400: "The body is not what this call takes.", 404: "No such thing."}


def _refused(_: Request[Any, Any, Any], error: HTTPException) -> Response[Mapping[str, str]]:
    detail = _REFUSALS.get(error.status_code, "Not possible.")
    return Response({"detail": detail}, status_code=error.status_code)
