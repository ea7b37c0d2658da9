"""Proving that an account is somebody's: a code goes to its owner's telephone and comes back."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from random import Random
from typing import Final

import httpx

from obverse.kit.clock import Clock
from obverse.kit.secret import Secret
from obverse.sandbox.points_issuer.book import Account, Book
from obverse.sandbox.points_issuer.wire import Answer, answer

_GOOD_FOR: Final = timedelta(minutes=10)
_WRONG_MAX: Final = 3
_TIMEOUT_S: Final = 10.0


@dataclass(slots=True)
class Link:
    """One code under way; `wrong` counts what was none."""

    account: Account
    code: Secret
    expires_at: datetime
    wrong: int = 0


class Texts:
    """Text messages of one issuer, by way of a provider that takes `POST /v1/messages`."""

    def __init__(self, url: str, sender: str) -> None:
        self._sender = sender
        self._http = httpx.AsyncClient(
            base_url=url, timeout=_TIMEOUT_S, headers={"Authorization": "Bearer sandbox"}, trust_env=False
        )

    async def send(self, id_: str, to: str, text: str) -> bool:
        """Whether it was taken."""
        message = {"id": id_, "to": to, "text": text, "from": self._sender}
        try:
            taken = await self._http.post("/v1/messages", json=message)
        except httpx.HTTPError:
            return False
        return taken.is_success

    async def close(self) -> None:
        await self._http.aclose()


class Links:
    """The links of one issuer, by name."""

    def __init__(self, book: Book, texts: Texts, name: str, clock: Clock, rng: Random) -> None:
        self._book, self._texts, self._name = book, texts, name
        self._clock, self._rng = clock, rng
        self._links: dict[str, Link] = {}

    async def begin(self, number: str) -> Answer:
        """Send the owner of an account a code; its number as they write it. 404 where there is none, 503
        where the message is not taken."""
        account = self._book.account(number.replace(" ", "").replace("-", "").upper())
        if account is None:
            return answer(404, {"error": "account_unknown"})
        name = f"lnk_{self._rng.getrandbits(80):020x}"
        code = f"{self._rng.randrange(1_000_000):06d}"
        text = f"{self._name}: {code} is your code. Give it to nobody but who you asked to link your account."
        if not await self._texts.send(name, account.phone, text):
            return answer(503, {"error": "no_message"})
        self._links[name] = Link(account, Secret(code), self._clock.now() + _GOOD_FOR)
        return answer(201, {"link": name})

    def prove(self, name: str, code: str) -> Answer:
        """200 with the account's handle for the right code, again too; 422 for a wrong one; 410 when over."""
        link = self._links.get(name)
        if link is None or link.wrong >= _WRONG_MAX or self._clock.now() >= link.expires_at:
            return answer(410, {"error": "link_over"})
        if not compare_digest(link.code.reveal().encode(), code.encode()):
            link.wrong += 1
            return answer(422, {"error": "code_wrong"})
        return answer(200, {"account": link.account.handle})
