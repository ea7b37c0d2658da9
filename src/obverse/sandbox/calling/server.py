"""The calling server: connects callers, piece by piece of what their cards pay for."""

from obverse.sandbox.calling.model import Call, Card, Line, NoCall


class CallingServer:
    """Asks for time in pieces of `piece_s`, and lets nobody talk for longer than was granted."""

    def __init__(self, line: Line, *, piece_s: int = 60) -> None:
        self._line = line
        self._piece_s = piece_s

    async def call(self, card: Card, seconds: int) -> Call:
        """Let somebody talk for so long, or until the balance ends. Raises `NoCall` where it never began."""
        granted = await self._line.open(card, self._piece_s)
        used = min(seconds, granted.until)
        while used < seconds and not granted.is_last:
            try:
                granted = await self._line.extend(granted, used, used + self._piece_s)
            except NoCall:
                break
            used = min(seconds, granted.until)
        cost = await self._line.close(granted, used)
        return Call(granted.session, used, cost, ended_by_balance=used < seconds)
