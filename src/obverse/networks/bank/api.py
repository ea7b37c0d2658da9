"""A bank's API over HTTP: orders by the hundred, each under an id that it does not carry out twice.

`POST /v1/transfers`, `GET /v1/transfers?id=...`, `GET /v1/statements/{day}`; see docs/bank.md.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

import httpx
import msgspec
import structlog

from obverse.networks.bank.xml import BYTES_MAX
from obverse.treasury.model import BankAccount
from obverse.treasury.ports import Answer, Asked, Batch, Outgoing, StatementFile, Verdict

TIMEOUT_SECONDS: Final = 20.0
"""Less than the time after which a batch may be asked for by somebody else (`treasury.service.PATIENCE`)."""
_ASK_AT_ONCE: Final = 100
_ASKERS_MAX: Final = 4

_VERDICTS: Final = {
    "accepted": Verdict.ACCEPTED,
    "booked": Verdict.DONE,
    "refused": Verdict.REFUSED,
    "unknown": Verdict.UNKNOWN_ID,
}
_NO_ANSWER: Final = Answer(Verdict.NO_ANSWER)

_log = structlog.get_logger(__name__)


class _Result(msgspec.Struct, frozen=True):
    id: UUID
    status: str
    reason: str = ""


class _Results(msgspec.Struct, frozen=True):
    results: list[_Result]


class _Received(msgspec.Struct, frozen=True):
    content: bytes
    etag: str | None


class BankApi:
    """Implements `treasury.ports.Bank`."""

    def __init__(self, url: str, own: BankAccount, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._own = own
        self._timeout = timeout_seconds
        self._http = httpx.AsyncClient(
            base_url=url, timeout=timeout_seconds, follow_redirects=False, trust_env=False
        )
        self._asking = asyncio.Semaphore(_ASKERS_MAX)
        self._etags: dict[str, str] = {}
        self._fresh: dict[str, str] = {}

    async def submit(self, batch: Batch) -> Sequence[Answer]:
        """One request for the whole batch; without a clear answer nothing is known of any of it."""
        body = {
            "account": self._own.number.reveal(),
            "transfers": [_told(order) for order in batch.orders],
        }
        answers = await self._results("POST", "/v1/transfers", json=body)
        return [
            # Not having it after having been given it is no answer either: it is asked for.
            answer if answer.verdict is not Verdict.UNKNOWN_ID else _NO_ANSWER
            for answer in (answers.get(order.wire_id, _NO_ANSWER) for order in batch.orders)
        ]

    async def outcomes(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        """Some hundred orders a request, few requests at a time."""
        parts = await asyncio.gather(*(self._ask([each.wire_id for each in part]) for part in _parts(asked)))
        answers = {wire_id: answer for part in parts for wire_id, answer in part.items()}
        return [answers.get(each.wire_id, _NO_ANSWER) for each in asked]

    async def statements(self, days: Sequence[date]) -> Sequence[StatementFile]:
        """The statements of these days that have changed since they were put away."""
        found = [await self._statement(f"/v1/statements/{day}") for day in days]
        return [file for file in found if file is not None]

    async def put_away(self, file: StatementFile, problem: str | None) -> None:
        """Readable or not, the same bytes are not asked for again."""
        etag = self._fresh.pop(file.name, None)
        if etag is not None:
            self._etags[file.name] = etag

    async def close(self) -> None:
        await self._http.aclose()

    async def _ask(self, wire_ids: Sequence[UUID]) -> Mapping[UUID, Answer]:
        async with self._asking:
            return await self._results("GET", "/v1/transfers", params={"id": [id_.hex for id_ in wire_ids]})

    async def _results(self, method: str, path: str, **request: Any) -> Mapping[UUID, Answer]:
        """What the bank says of each order; nothing for anything but a clear answer."""
        answer = await self._request(method, path, **request)
        if answer is None:
            return {}
        try:
            results = msgspec.json.decode(answer.content, type=_Results).results
        except (msgspec.MsgspecError, UnicodeDecodeError):
            _log.warning("bank_answer_not_understood", path=path)
            return {}
        return {
            result.id: Answer(_VERDICTS[result.status], result.reason)
            for result in results
            if result.status in _VERDICTS
        }

    async def _statement(self, path: str) -> StatementFile | None:
        headers = {"If-None-Match": self._etags[path]} if path in self._etags else {}
        params = {"account": self._own.number.reveal()}
        answer = await self._request("GET", path, params=params, headers=headers)
        if answer is None:
            return None
        if answer.etag is not None:
            self._fresh[path] = answer.etag
        return StatementFile(path, answer.content)

    async def _request(self, method: str, path: str, **request: Any) -> _Received | None:
        """The body of a 200, read in full within the deadline and the largest size; None for all else."""
        try:
            async with asyncio.timeout(self._timeout):
                async with self._http.stream(method, path, **request) as answer:
                    if answer.status_code == httpx.codes.OK:
                        return await _read(answer, path)
                    if answer.status_code != httpx.codes.NOT_MODIFIED:
                        _log.warning("bank_refused_request", path=path, status=answer.status_code)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            # Its name only: the request that the error carries holds account numbers.
            _log.warning("bank_not_reached", path=path, error=type(error).__name__)
        return None


async def _read(answer: httpx.Response, path: str) -> _Received | None:
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > BYTES_MAX:
            _log.warning("bank_answer_too_large", path=path)
            return None
    return _Received(bytes(content), answer.headers.get("etag"))


def _told(order: Outgoing) -> dict[str, object]:
    return {
        "id": order.wire_id.hex,
        "amount": order.amount.amount_minor,
        "currency": order.amount.currency,
        "bank_code": order.to.bank_code,
        "account": order.to.number.reveal(),
        "holder": order.to.holder,
        "reference": order.reference,
    }


def _parts(asked: Sequence[Asked]) -> Sequence[Sequence[Asked]]:
    return [asked[at : at + _ASK_AT_ONCE] for at in range(0, len(asked), _ASK_AT_ONCE)]
