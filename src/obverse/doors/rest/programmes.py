"""Programmes, which prepaid cards are sold under, for operators, and the catalogue for everybody (PP-15)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, Everyone, caller_of
from obverse.doors.rest.merchant_shapes import DecisionBody
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Category,
    Id,
    Limit,
    ListView,
    Metadata,
    PositiveAmount,
    Reason,
    View,
    list_view,
    page_request,
)
from obverse.kit.ids import MerchantId, ProgrammeId, from_text, to_text
from obverse.programmes import Programme, ProgrammeState, Terms

_OPERATORS: Final = Allow(Scope.OPERATE)
_TAGS: Final = ["programmes"]

Name = Annotated[str, Meta(min_length=1, max_length=60)]
Denominations = Annotated[tuple[PositiveAmount, ...], Meta(max_length=50)]
Months = Annotated[int, Meta(ge=1, le=36)]
Services_ = Annotated[
    tuple[Literal["goods", "content", "voice", "calls"], ...], Meta(min_length=1, max_length=4)
]
Categories = Annotated[tuple[Category, ...], Meta(min_length=1, max_length=100)]
MerchantIds = Annotated[tuple[Id, ...], Meta(min_length=1, max_length=1_000)]


class NewProgramme(Body, frozen=True):
    """Terms of sale. `denominations` is what cards are bought for, smallest first; without a `charge_unit`
    nothing is paid into them later. Lists that are absent restrict nothing."""

    reason: Reason
    name: Name
    ceiling: PositiveAmount
    validity_months: Months
    denominations: Denominations = ()
    charge_unit: PositiveAmount | None = None
    services: Services_ | None = None
    categories: Categories | None = None
    merchants: MerchantIds | None = None
    giftable: bool = False
    refundable: bool = False
    physical: bool = False
    metadata: Metadata = msgspec.field(default_factory=dict)


class ProgrammeChange(Body, frozen=True):
    """What is left out stays as it is; null lifts a restriction, or ends charging. Cards that are out keep
    the terms they were issued under."""

    reason: Reason
    name: Name | UnsetType = UNSET
    ceiling: PositiveAmount | UnsetType = UNSET
    validity_months: Months | UnsetType = UNSET
    denominations: Denominations | UnsetType = UNSET
    charge_unit: PositiveAmount | UnsetType | None = UNSET
    services: Services_ | UnsetType | None = UNSET
    categories: Categories | UnsetType | None = UNSET
    merchants: MerchantIds | UnsetType | None = UNSET
    giftable: bool | UnsetType = UNSET
    refundable: bool | UnsetType = UNSET
    physical: bool | UnsetType = UNSET


class CatalogueEntry(View, frozen=True):
    """What can be bought or charged now. Amounts in minor units of `currency`."""

    programme: str
    name: str
    currency: str
    denominations: Sequence[int]
    charge_unit: int | None
    ceiling: int
    validity_months: int
    services: Sequence[str] | None
    categories: Sequence[str] | None
    merchants: Sequence[str] | None
    giftable: bool
    refundable: bool
    physical: bool


class ProgrammeView(CatalogueEntry, frozen=True, kw_only=True):
    id: str
    object: str
    state: ProgrammeState
    created: datetime
    metadata: Mapping[str, str]


@get("/v1/catalogue", before_request=Everyone(), tags=_TAGS)
async def get_catalogue(request: HttpRequest) -> ListView[CatalogueEntry]:
    """What can be bought or charged, by anybody."""
    on_sale = await services(request).programmes.on_sale()
    return ListView([CatalogueEntry(**_entry(programme)) for programme in on_sale], False, None)


@post("/v1/programmes", before_request=_OPERATORS, tags=_TAGS)
async def create_programme(request: HttpRequest, data: JSONBody[NewProgramme]) -> ProgrammeView:
    """Set up a programme; it sells from now on."""
    terms = Terms(
        name=data.name,
        ceiling_minor=data.ceiling,
        validity_months=data.validity_months,
        denominations=data.denominations,
        charge_unit_minor=data.charge_unit,
        services=data.services,
        categories=data.categories,
        merchants=_merchants(data.merchants),
        giftable=data.giftable,
        refundable=data.refundable,
        physical=data.physical,
        metadata=data.metadata,
    )
    actor = caller_of(request).actor
    return _view(await services(request).programmes.create(terms, actor=actor, reason=data.reason))


@get("/v1/programmes", before_request=_OPERATORS, tags=_TAGS)
async def list_programmes(
    request: HttpRequest, limit: Limit = 20, after: After = None
) -> ListView[ProgrammeView]:
    """All programmes, newest first, closed ones included."""
    page = await services(request).programmes.list(page_request("prog", limit, after))
    return list_view("prog", page, _view)


@get("/v1/programmes/{programme_id:str}", before_request=_OPERATORS, tags=_TAGS)
async def get_programme(request: HttpRequest, programme_id: FromPath[str]) -> ProgrammeView:
    """One programme."""
    return _view(await services(request).programmes.get(_id(programme_id)))


@patch("/v1/programmes/{programme_id:str}", before_request=_OPERATORS, tags=_TAGS)
async def change_programme(
    request: HttpRequest, programme_id: FromPath[str], data: JSONBody[ProgrammeChange]
) -> ProgrammeView:
    """Change the terms of what is bought from now on."""
    given = {
        _FIELDS.get(name, name): value
        for name in ProgrammeChange.__struct_fields__
        if name != "reason" and (value := getattr(data, name)) is not UNSET
    }
    if "merchants" in given:
        given["merchants"] = _merchants(given["merchants"])
    changed = await services(request).programmes.change(
        _id(programme_id),
        lambda terms: replace(terms, **given),
        actor=caller_of(request).actor,
        reason=data.reason,
    )
    return _view(changed)


@post("/v1/programmes/{programme_id:str}/close", before_request=_OPERATORS, status_code=200, tags=_TAGS)
async def close_programme(
    request: HttpRequest, programme_id: FromPath[str], data: JSONBody[DecisionBody]
) -> ProgrammeView:
    """Sell and charge nothing under it any more, for good; its cards are spent to their end."""
    closed = await services(request).programmes.close(
        _id(programme_id), actor=caller_of(request).actor, reason=data.reason
    )
    return _view(closed)


_FIELDS: Final = {"ceiling": "ceiling_minor", "charge_unit": "charge_unit_minor"}


def _id(text: str) -> ProgrammeId:
    return ProgrammeId(from_text("prog", text))


def _merchants(ids: tuple[str, ...] | None) -> tuple[MerchantId, ...] | None:
    return None if ids is None else tuple(MerchantId(from_text("mer", id_, "merchants")) for id_ in ids)


def _entry(programme: Programme) -> dict[str, Any]:
    merchants = programme.merchants
    return {
        "programme": to_text("prog", programme.id),
        "name": programme.name,
        "currency": programme.currency,
        "denominations": programme.denominations,
        "charge_unit": programme.charge_unit_minor,
        "ceiling": programme.ceiling_minor,
        "validity_months": programme.validity_months,
        "services": programme.services,
        "categories": programme.categories,
        "merchants": None if merchants is None else [to_text("mer", id_) for id_ in merchants],
        "giftable": programme.giftable,
        "refundable": programme.refundable,
        "physical": programme.physical,
    }


def _view(programme: Programme) -> ProgrammeView:
    return ProgrammeView(
        **_entry(programme),
        id=to_text("prog", programme.id),
        object="programme",
        state=programme.state,
        created=programme.created_at,
        metadata=programme.metadata,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    get_catalogue,
    create_programme,
    list_programmes,
    get_programme,
    change_programme,
    close_programme,
]
