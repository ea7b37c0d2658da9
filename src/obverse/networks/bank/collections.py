"""Collections at a bank: money taken from its payers' accounts by mandate, each once per id.

`POST /v1/collections`; the same again tells what became of it. See docs/bank.md.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import httpx
import msgspec
import structlog

from obverse.networks.bank.xml import BYTES_MAX
from obverse.sales.ports import Collection
from obverse.treasury.model import BankAccount
from obverse.treasury.ports import Answer, Verdict

TIMEOUT_SECONDS: Final = 20.0
"""Less than the time after which a collection is asked for again (`sales.at_bank`)."""

_VERDICTS: Final = {"accepted": Verdict.ACCEPTED, "booked": Verdict.DONE, "refused": Verdict.REFUSED}
_NO_ANSWER: Final = Answer(Verdict.NO_ANSWER)

_log = structlog.get_logger(__name__)


class _Result(msgspec.Struct, frozen=True):
    id: UUID
    status: str
    reason: str = ""


class _Results(msgspec.Struct, frozen=True):
    results: list[_Result]


class BankCollections:
    """Implements `sales.ports.Collector`."""

    def __init__(self, url: str, own: BankAccount, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._own = own
        self._timeout = timeout_seconds
        self._http = httpx.AsyncClient(
            base_url=url, timeout=timeout_seconds, follow_redirects=False, trust_env=False
        )

    async def collect(self, collections: Sequence[Collection]) -> Sequence[Answer]:
        """One request for all; without a clear answer nothing is known of any of them."""
        if not collections:
            return []
        body = {"account": self._own.number.reveal(), "collections": [_told(each) for each in collections]}
        answers = await self._results(body)
        return [answers.get(each.id, _NO_ANSWER) for each in collections]

    async def close(self) -> None:
        await self._http.aclose()

    async def _results(self, body: Mapping[str, object]) -> Mapping[UUID, Answer]:
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._http.post("/v1/collections", json=body)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            # Its name only: the request that the error carries holds account numbers.
            _log.warning("bank_not_reached", path="/v1/collections", error=type(error).__name__)
            return {}
        if answer.status_code != httpx.codes.OK or len(answer.content) > BYTES_MAX:
            _log.warning("bank_refused_request", path="/v1/collections", status=answer.status_code)
            return {}
        try:
            results = msgspec.json.decode(answer.content, type=_Results).results
        except (msgspec.MsgspecError, UnicodeDecodeError):
            _log.warning("bank_answer_not_understood", path="/v1/collections")
            return {}
        return {r.id: Answer(_VERDICTS[r.status], r.reason) for r in results if r.status in _VERDICTS}


def _told(collection: Collection) -> dict[str, object]:
    return {
        "id": collection.id.hex,
        "amount": collection.amount.amount_minor,
        "currency": collection.amount.currency,
        "bank_code": collection.payer.bank_code,
        "account": collection.payer.number.reveal(),
        "holder": collection.payer.holder,
        "mandate": collection.mandate,
        "reference": collection.reference,
    }
