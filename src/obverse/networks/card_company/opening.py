"""Opening linked cards for many payments in one look at the vault."""

import asyncio

from obverse.kit.errors import NotFound
from obverse.kit.ids import VaultCardId
from obverse.networks.card_company.ports import CardFace, OpenCards


class Opening:
    """While the vault is being asked for some cards the next ones gather: the query grows with the load."""

    def __init__(self, open_cards: OpenCards) -> None:
        self._open_cards = open_cards
        self._wanted: dict[VaultCardId, asyncio.Future[CardFace]] = {}
        self._worker: asyncio.Task[None] | None = None

    async def open(self, id_: VaultCardId) -> CardFace:
        """One card. Raises `Unavailable`, and `NotFound` for a card that is not in the vault."""
        future = self._wanted.get(id_)
        if future is None:
            future = self._wanted[id_] = asyncio.get_running_loop().create_future()
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())
        return await asyncio.shield(future)

    async def _work(self) -> None:
        try:
            while self._wanted:
                wanted, self._wanted = self._wanted, {}
                await self._answer(wanted)
        finally:
            self._worker = None

    async def _answer(self, wanted: dict[VaultCardId, asyncio.Future[CardFace]]) -> None:
        try:
            cards = await self._open_cards(list(wanted))
        except Exception as error:  # noqa: BLE001 - handed on to everybody who waits for it
            for future in wanted.values():
                future.set_exception(error)
                future.exception()  # whoever waited may be gone; that is no news
            return
        for id_, future in wanted.items():
            if id_ in cards:
                future.set_result(cards[id_])
            else:
                future.set_exception(NotFound("linked card"))
                future.exception()
