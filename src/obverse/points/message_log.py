"""What points issuers are told, as operators see it."""

from obverse.kit.database import Database
from obverse.kit.paging import Page, PageRequest
from obverse.points.model import MessageStatus
from obverse.points.repository import message_pages


class MessageLog:
    """Messages to issuers, read only: couriers send them, see `courier.py`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, page: PageRequest, *, pending: bool | None = None) -> Page[MessageStatus]:
        """Messages, newest first; with `pending`, those that no issuer has acknowledged, or that one has."""
        async with self._database.connection() as conn:
            return await message_pages.find_page(conn, page, pending=pending)
