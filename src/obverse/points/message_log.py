"""What points issuers are told, as operators see it."""

from obverse.kit.database import Database
from obverse.kit.ids import PointsIssuerId
from obverse.kit.paging import Page, PageRequest
from obverse.points.model import MessageStatus
from obverse.points.repository import message_pages, messages
from obverse.points.repository.messages import Waiting


class MessageLog:
    """Messages to issuers, read only: couriers send them, see `courier.py`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self, issuer_id: PointsIssuerId) -> Waiting | None:
        """What this issuer has not acknowledged yet; None where there is nothing."""
        async with self._database.connection() as conn:
            waiting = await messages.waiting(conn)
        return next((each for each in waiting if each.issuer_id == issuer_id), None)

    async def list(self, page: PageRequest, *, pending: bool | None = None) -> Page[MessageStatus]:
        """Messages, newest first; with `pending`, those that no issuer has acknowledged, or that one has."""
        async with self._database.connection() as conn:
            return await message_pages.find_page(conn, page, pending=pending)
