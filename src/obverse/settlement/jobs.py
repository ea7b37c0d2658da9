"""What the settlement room does by itself."""

from dataclasses import dataclass

from obverse.settlement.service import Settlements


@dataclass(frozen=True, slots=True)
class Routine:
    """Looks again and again for what is due; with `opens_days` off, days wait for somebody to open them."""

    settlements: Settlements
    opens_days: bool

    async def run(self) -> None:
        """Finish what was opened, settle the days that are over, order the payouts whose day has come, and
        tell merchants what the bank has made of theirs."""
        await self.settlements.finish()
        if self.opens_days:
            await self.settlements.settle_past_days()
        await self.settlements.tell_outcomes()
