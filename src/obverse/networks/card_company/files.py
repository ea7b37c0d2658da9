"""The card company's file exchange: `PUT /files/{id}`, `GET /files/{id}/acknowledgement`."""

import asyncio
import base64
import hashlib
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

import httpx

from obverse.clearing.presentments import (
    Acknowledgement,
    NoAnswer,
    NotTaken,
    Presentment,
    PresentmentFile,
    PresentmentFileNotFound,
    UnreadableAnswer,
)
from obverse.kit.ids import VaultCardId, to_text
from obverse.networks.card_company import ipm
from obverse.networks.card_company.ports import CardFace, OpenCards

ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
_OPENED_AT_ONCE: Final = 1_000


class CardCompanyFileExchange:
    """Implements `clearing.presentments.CardCompanyFiles`.

    A file exists in this process's memory from being written to being sent, and on no disk of ours.
    """

    def __init__(
        self, url: str, open_cards: OpenCards, format_: ipm.FileFormat, *, timeout_s: float = 60.0
    ) -> None:
        """`timeout_s` is for one call as a whole."""
        self._open_cards = open_cards
        self._format = format_
        self._timeout_s = timeout_s
        self._http = httpx.AsyncClient(
            base_url=url, timeout=timeout_s, follow_redirects=False, trust_env=False
        )

    async def send(self, file: PresentmentFile, members: Sequence[Presentment]) -> bytes:
        """Write the file and hand it over."""
        cards = await self._open(members)
        content = await asyncio.to_thread(ipm.write, file, members, cards, self._format)
        digest = hashlib.sha256(content).digest()
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
        }
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._http.put(_address(file), content=content, headers=headers)
        except (httpx.HTTPError, TimeoutError):
            # Not chained: the request that the error carries holds card numbers.
            raise NoAnswer from None
        if not answer.is_success:
            raise NotTaken
        return digest

    async def acknowledgement(self, file: PresentmentFile) -> Acknowledgement | None:
        """What was said of this file."""
        try:
            async with asyncio.timeout(self._timeout_s):
                status, content = await self._get(f"{_address(file)}/acknowledgement")
        except (httpx.HTTPError, TimeoutError):
            raise NoAnswer from None
        match status:
            case httpx.codes.OK:
                return await asyncio.to_thread(ipm.read_acknowledgement, content, file, self._format.identity)
            case httpx.codes.ACCEPTED:
                return None
            case httpx.codes.NOT_FOUND:
                raise PresentmentFileNotFound
        raise NoAnswer

    async def close(self) -> None:
        await self._http.aclose()

    async def _open(self, members: Sequence[Presentment]) -> Mapping[VaultCardId, CardFace]:
        """The real cards of a file, each once, in sets."""
        wanted = iter({member.vault_card_id for member in members})
        cards: dict[VaultCardId, CardFace] = {}
        while ids := list(islice(wanted, _OPENED_AT_ONCE)):
            cards |= await self._open_cards(ids)
        return cards

    async def _get(self, address: str) -> tuple[int, bytes]:
        """Status and body. Raises `UnreadableAnswer` where there is more of it than can be true."""
        content = bytearray()
        async with self._http.stream("GET", address) as answer:
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > ANSWER_BYTES_MAX:
                    raise UnreadableAnswer
        return answer.status_code, bytes(content)


def _address(file: PresentmentFile) -> str:
    return f"/files/{to_text('pfile', file.id)}"
