"""What finishes payments in the background: reversals at card companies, and recovery after a crash."""

import msgspec

from obverse.authorization.model import Leg, LegStatus
from obverse.authorization.ports import CardCompany, LegRequest
from obverse.authorization.saving import LegToReverse
from obverse.authorization.service import Engine
from obverse.kit.database import Database
from obverse.kit.errors import ObverseError
from obverse.kit.money import Money
from obverse.wallet import repository as wallet


class NotAcknowledged(ObverseError):
    """The card company has not answered a reversal; the job queue tries again, for ever and loudly."""

    code = "reversal_not_acknowledged"

    def __init__(self) -> None:
        super().__init__("The card company has not acknowledged the reversal yet.")


class Reversals:
    """Undoes legs that may have happened at a card company, until it acknowledges (P8, P9).

    One call is one attempt; while `NotAcknowledged` is raised the job queue repeats it, pausing ever longer.
    """

    def __init__(self, database: Database, engine: Engine, card_company: CardCompany) -> None:
        self._database = database
        self._engine = engine
        self._card_company = card_company

    async def reverse_leg(self, payload: bytes) -> None:
        """The handler of the `reverse_leg` job; safe to repeat."""
        target = msgspec.json.decode(payload, type=LegToReverse)
        authorization = await self._engine.get(target.authorization_id)
        leg = next(leg for leg in authorization.legs if leg.position == target.position)
        if leg.status not in (LegStatus.REVERSING, LegStatus.UNKNOWN):
            return
        request = await self._request(leg, Money(leg.amount_minor, authorization.amount.currency))
        if not await self._card_company.reverse(request):
            raise NotAcknowledged
        if not await self._engine.leg_reversed(authorization, leg):
            raise NotAcknowledged

    async def _request(self, leg: Leg, amount: Money) -> LegRequest:
        async with self._database.connection() as conn:
            sources = await wallet.load_sources(conn, [leg.source_id])
        vault_card_id = sources[leg.source_id].vault_card_id
        assert vault_card_id is not None, "an off-us leg stands for a real card"
        assert leg.network_ref is not None, "a leg is named before it is sent"
        return LegRequest(leg.network_ref, vault_card_id, amount, merchant_name="", merchant_category="")
