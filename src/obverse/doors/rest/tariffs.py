"""Tariffs of services that are used by time, and the names of their calling servers."""

from datetime import UTC, datetime
from typing import Annotated, Final

from litestar import get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.merchant_shapes import decision
from obverse.doors.rest.metered_sessions import Piece, TariffName
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Amount,
    Body,
    Currency,
    Limit,
    ListView,
    PositiveAmount,
    Reason,
    View,
    currency_code,
    list_view,
    page_request,
)
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MerchantId, from_text, to_text
from obverse.merchants import MerchantNotFound
from obverse.metering import Prices, Tariff

_MANAGERS: Final = Allow(Scope.MERCHANTS)
_READERS: Final = Allow(Scope.PAYMENTS, merchant_keys=True)

OriginHost = Annotated[str, Meta(min_length=3, max_length=253, pattern=r"^[A-Za-z0-9.-]+$(?!\n)")]


class FirstInterval(Body, frozen=True):
    seconds: Piece
    price: Amount


class NextInterval(Body, frozen=True):
    seconds: Piece
    price: PositiveAmount


class NewTariff(Body, frozen=True):
    """The `connection` and the `first` interval are paid once; each `next` one as soon as it begins.

    Without `effective_from` it holds from now on. It is never changed: another price is another tariff of the
    same name, from another moment on.
    """

    reason: Reason
    currency: Currency
    first: FirstInterval
    next: NextInterval
    name: TariffName = "default"
    connection: Amount = 0
    grant_seconds: Piece = 60
    effective_from: Annotated[datetime, Meta(tz=True)] | None = None


class TariffView(View, frozen=True):
    id: str
    object: str
    merchant: str
    name: str
    currency: str
    connection: int
    first: FirstInterval
    next: NextInterval
    grant_seconds: int
    effective_from: datetime
    created: datetime


class CallingServerBody(Body, frozen=True):
    """`origin_host` is how the server names itself in Diameter."""

    reason: Reason
    origin_host: OriginHost


class CallingServerView(View, frozen=True):
    object: str
    merchant: str
    origin_host: str


@post("/v1/merchants/{merchant_id:str}/tariffs", before_request=_MANAGERS, tags=["tariffs"])
async def add_tariff(
    request: HttpRequest, merchant_id: FromPath[str], data: JSONBody[NewTariff]
) -> TariffView:
    """Say what a merchant's service costs from a moment on; sessions under way keep their price."""
    joined = services(request)
    prices = Prices(
        name=data.name,
        currency=currency_code(data.currency),
        connection_minor=data.connection,
        first_seconds=data.first.seconds,
        first_minor=data.first.price,
        next_seconds=data.next.seconds,
        next_minor=data.next.price,
        grant_seconds=data.grant_seconds,
        effective_from=_in_utc(data.effective_from),
    )
    merchant = await joined.merchants.get(MerchantId(from_text("mer", merchant_id)))
    decided = decision(caller_of(request), data.reason)
    return _view(await joined.tariffs.add(merchant, prices, decided))


@get("/v1/merchants/{merchant_id:str}/tariffs", before_request=_READERS, tags=["tariffs"])
async def list_tariffs(
    request: HttpRequest, merchant_id: FromPath[str], limit: Limit = 20, after: After = None
) -> ListView[TariffView]:
    """A merchant's tariffs, newest first; a merchant's own key sees its own."""
    wanted = MerchantId(from_text("mer", merchant_id))
    if caller_of(request).merchant_id not in (None, wanted):
        raise MerchantNotFound
    page = await services(request).tariffs.list(wanted, page_request("trf", limit, after))
    return list_view("trf", page, _view)


@put("/v1/merchants/{merchant_id:str}/calling_server", before_request=_MANAGERS, tags=["tariffs"])
async def set_calling_server(
    request: HttpRequest, merchant_id: FromPath[str], data: JSONBody[CallingServerBody]
) -> CallingServerView:
    """Say by what Origin-Host a merchant's calling server speaks Diameter. Repeating it changes nothing."""
    joined = services(request)
    merchant = await joined.merchants.get(MerchantId(from_text("mer", merchant_id)))
    decided = decision(caller_of(request), data.reason)
    server = await joined.tariffs.set_server(merchant, data.origin_host, decided)
    return CallingServerView("calling_server", to_text("mer", server.merchant_id), server.origin_host)


def _in_utc(moment: datetime | None) -> datetime | None:
    try:
        return moment.astimezone(UTC) if moment is not None else None
    except OverflowError:
        raise InvalidRequest("effective_from is not a date anybody will see.", "effective_from") from None


def _view(tariff: Tariff) -> TariffView:
    return TariffView(
        id=to_text("trf", tariff.id),
        object="tariff",
        merchant=to_text("mer", tariff.merchant_id),
        name=tariff.name,
        currency=tariff.currency,
        connection=tariff.connection_minor,
        first=FirstInterval(tariff.first_seconds, tariff.first_minor),
        next=NextInterval(tariff.next_seconds, tariff.next_minor),
        grant_seconds=tariff.grant_seconds,
        effective_from=tariff.effective_from,
        created=tariff.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [add_tariff, list_tariffs, set_calling_server]
