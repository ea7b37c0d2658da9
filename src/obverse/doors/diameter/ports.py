"""What the Diameter door needs of the rooms."""

from typing import Protocol

from obverse.authorization import Authorization, AuthorizationRequest
from obverse.kit.ids import MerchantId, MeterSessionId
from obverse.merchants import Merchant
from obverse.metering import Metered, Opening, Report, Session, Tariff
from obverse.metering.model import Answered


class Sessions(Protocol):
    """Metered sessions; see `Metering` for what each raises."""

    async def open(self, opening: Opening, *, key: str) -> Metered: ...

    async def find(self, merchant_id: MerchantId, reference: str) -> Session: ...

    async def answer_opening(self, session: Session, number: int) -> Answered: ...

    async def report(self, session_id: MeterSessionId, report: Report) -> Answered: ...

    async def close(self, session_id: MeterSessionId, used_seconds: int | None = None) -> Session: ...


class PriceList(Protocol):
    """What services cost, and whose calling server speaks."""

    async def in_effect(self, merchant_id: MerchantId, name: str) -> Tariff: ...

    async def merchant_of_host(self, origin_host: str) -> MerchantId | None: ...


class MerchantDirectory(Protocol):
    """The merchants of the platform, by id."""

    async def get(self, merchant_id: MerchantId) -> Merchant: ...


class BalanceDesk(Protocol):
    """The engine, as far as balances are asked for."""

    async def authorize(self, request: AuthorizationRequest) -> Authorization: ...
