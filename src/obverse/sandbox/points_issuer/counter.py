"""The issuers' counter in the control app: who they are, whom they believe, accounts, takes and faults."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from litestar import get, put
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from obverse.kit.secret import Secret
from obverse.sandbox.faults import FaultSetting
from obverse.sandbox.points_issuer.book import Account, Take
from obverse.sandbox.points_issuer.site import PointsIssuer

Units = Annotated[int, Meta(ge=0, le=999_999_999_999)]


class IssuerView(msgspec.Struct, frozen=True):
    """What a provider has to know to add it, and how its books stand."""

    id: str
    name: str
    short_name: str
    unit: str
    url: str
    two_phase: bool
    tells_van: bool
    units_max: int | None
    accounts: int
    takes: int
    units_kept: int
    """What was taken in all and has not gone back."""
    van_waiting: int
    """Results that the VAN does not have yet."""


class Introduction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the provider gave the issuer; what is missing stays as it was."""

    secret: Annotated[str, Meta(pattern="^whsec_[A-Za-z0-9+/=]{24,}$")] | None = None
    relay_url: str | None = None
    api_key: str | None = None
    units_max: Annotated[int, Meta(ge=1)] | None = None
    """The most that one take may be."""


class AccountFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account as it stands, or as it shall stand. `handle` is told, and cannot be chosen."""

    number: Annotated[str, Meta(pattern="^[0-9A-Z]{4,40}$")]
    units: Units
    phone: Annotated[str, Meta(min_length=1, max_length=40)]
    blocked: bool = False


class AccountView(AccountFields, frozen=True):
    handle: str = ""


class TakeView(msgspec.Struct, frozen=True):
    """`state`: held, spent, cancelled (all of it went back) or declined."""

    reference: str
    account: str
    units: int
    units_back: int
    amount: int
    merchant: str
    state: str
    approval_code: str | None
    reason: str | None


def points_routes(issuers: Sequence[PointsIssuer]) -> list[Any]:
    """The counter's part of the control app."""
    by_id = {issuer.profile.id: issuer for issuer in issuers}

    def find(id_: str) -> PointsIssuer:
        if id_ not in by_id:
            raise NotFoundException(detail="No such issuer.")
        return by_id[id_]

    @get("/points_issuers")
    async def listed() -> Mapping[str, Sequence[IssuerView]]:
        return {"data": [_view(issuer) for issuer in issuers]}

    @put("/points_issuers/{id_:str}")
    async def introduce(id_: FromPath[str], data: JSONBody[Introduction]) -> IssuerView:
        issuer = find(id_)
        if data.secret is not None:
            issuer.secret = Secret(data.secret)
        if data.relay_url is not None:
            issuer.mall_desk.relay_url = data.relay_url
        if data.api_key is not None:
            issuer.mall_desk.api_key = Secret(data.api_key)
        if data.units_max is not None:
            issuer.book.units_max = data.units_max
        return _view(issuer)

    @get("/points_issuers/{id_:str}/accounts")
    async def accounts(id_: FromPath[str]) -> Mapping[str, Sequence[AccountView]]:
        return {"data": [_account(account) for account in find(id_).book.accounts]}

    @put("/points_issuers/{id_:str}/accounts")
    async def set_account(id_: FromPath[str], data: JSONBody[AccountFields]) -> AccountView:
        """Open an account, or change its units, its owner's telephone, or whether it is blocked."""
        book = find(id_).book
        return _account(book.open(data.number, data.phone, data.units, blocked=data.blocked))

    @get("/points_issuers/{id_:str}/takes")
    async def takes(
        id_: FromPath[str], account: FromQuery[str | None] = None
    ) -> Mapping[str, Sequence[TakeView]]:
        """Everything taken, or refused, oldest first; with `account`, by its handle."""
        return {"data": [_take(take) for take in find(id_).book.takes if account in (None, take.ask.account)]}

    @get("/points_issuers/{id_:str}/faults")
    async def faults(id_: FromPath[str]) -> Mapping[str, Sequence[FaultSetting]]:
        return {"data": [FaultSetting.of(kind, rule) for kind, rule in find(id_).faults.rules().items()]}

    @put("/points_issuers/{id_:str}/faults")
    async def set_fault(id_: FromPath[str], data: JSONBody[FaultSetting]) -> FaultSetting:
        await find(id_).set_fault(data.kind, data.rule)
        return data

    return [listed, introduce, accounts, set_account, takes, faults, set_fault]


def _view(issuer: PointsIssuer) -> IssuerView:
    profile, book = issuer.profile, issuer.book
    return IssuerView(
        id=profile.id,
        name=profile.name,
        short_name=profile.short_name,
        unit=profile.unit,
        url=issuer.url,
        two_phase=profile.two_phase,
        tells_van=profile.tells_van,
        units_max=book.units_max,
        accounts=len(book.accounts),
        takes=len(book.takes),
        units_kept=sum(take.units_kept for take in book.takes),
        van_waiting=issuer.van_line.waiting if issuer.van_line is not None else 0,
    )


def _account(account: Account) -> AccountView:
    return AccountView(account.number, account.units, account.phone, account.blocked, account.handle)


def _take(take: Take) -> TakeView:
    ask = take.ask
    return TakeView(
        reference=ask.reference,
        account=ask.account,
        units=ask.units,
        units_back=take.units_back,
        amount=ask.amount,
        merchant=ask.merchant,
        state=take.state,
        approval_code=take.approval_code,
        reason=take.refusal,
    )
