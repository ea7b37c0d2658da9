"""The loads: each measures the running platform once, in some seconds."""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx
import msgspec

from bench.any_mix import codes_for, fan_out, make_codes, register_cards
from bench.bulk_order import order_in_bulk
from bench.errors import BenchFailed
from bench.generator import Job, Outcome
from bench.messages import (
    Payment,
    claim_file,
    iso8583_messages,
    iso8583_mixed,
    iso8583_sales_and_refunds,
    iso8583_scans,
    rest_orders,
    rest_payments,
)
from bench.processes import Platform, free_port, generate
from bench.results import Measured
from bench.settlement import settle_a_day
from bench.statements import tell_a_day
from bench.stock import Stock
from obverse.kit.ids import to_text
from obverse.vault.numbers import CODE_DIGITS, NUMBER_DIGITS
from obverse.wallet import SourceKind

_WARM_UP_S: Final = 1.0
_SECONDS: Final = 3.0
_CONNECTIONS: Final = 8
_IN_FLIGHT: Final = 96
_OFF_US_IN_FLIGHT: Final = 96
_REST_CONNECTIONS: Final = 128
_FIRST_GUESS: Final = 10_000
"""Payments per second a load is expected to reach before it was measured."""
_SINGLE_REQUESTS: Final = 2_000
_BULK: Final = 20_000
_CLAIMS: Final = 50_000
_STEPS_S: Final = 60.0
"""How long the payments that a load needs before its clock starts may take."""
_POLL_S: Final = 0.02
_PARTS: Final = (63,)
"""DE 63 of an answer says who has paid which part."""


class Bench:
    """What the loads need: a platform, a stock of cards, and how fast each load was the last time."""

    def __init__(self, platform: Platform, stock: Stock, scratch: Path, partners: ExitStack) -> None:
        """`partners` ends with the run, and with it whoever is started for one load."""
        self._partners = partners
        self.platform = platform
        self.stock = stock
        self.scratch = scratch
        self._fastest: dict[str, float] = {}

    async def measure(self, load: str) -> Measured:
        """Measure one load once."""
        return await MEASURES[load](self)

    # payments --------------------------------------------------------------------------------------------

    async def payments_at_peak(
        self,
        load: str,
        *,
        wire: str = "iso8583",
        kind: SourceKind = SourceKind.CREDIT_LINE,
        in_flight: int = _IN_FLIGHT,
        one_merchant: bool = False,
    ) -> Measured:
        """As many as it takes, in a closed loop; then, for the latencies, paced at half of that."""
        rows = await self.stored()
        expected = self._fastest.get(load, _FIRST_GUESS) * 1.4
        payments = await self.stock.take(int(expected * (_WARM_UP_S + _SECONDS)), kind)
        before = self.platform.batches()
        peak = await self._send(payments, kind, wire, in_flight, None, one_merchant=one_merchant)
        after = self.platform.batches()
        self._fastest[load] = max(peak.per_second, self._fastest.get(load, 0))
        half = peak.per_second / 2
        calm_payments = await self.stock.take(int(half * (_WARM_UP_S + _SECONDS)), kind)
        calm = await self._send(calm_payments, kind, wire, 512, half, one_merchant=one_merchant)
        return Measured(
            per_second=peak.per_second,
            p50_ms=calm.p50_ms,
            p99_ms=calm.p99_ms,
            batch_mean=(after[1] - before[1]) / max(after[0] - before[0], 1),
            rows=rows,
            hottest=1.0 if one_merchant else _hottest(payments[: peak.sent]),
        )

    async def _send(
        self,
        payments: list[Payment],
        kind: SourceKind,
        wire: str,
        in_flight: int,
        per_second: float | None,
        *,
        one_merchant: bool,
    ) -> Outcome:
        shop = self.stock.merchants[0]
        sent = [replace(payment, merchant=shop) for payment in payments] if one_merchant else payments
        iso8583 = wire != "rest"
        if wire == "scan":
            payments = sent = await codes_for(self.stock, payments)
        job = Job(
            wire="iso8583" if iso8583 else "rest",
            port=self.platform.acquirer_port if iso8583 else self.platform.rest_port,
            connections=_CONNECTIONS if iso8583 else _REST_CONNECTIONS,
            in_flight=in_flight if iso8583 else 1,
            per_second=per_second,
            warm_up_s=_WARM_UP_S,
            seconds=_SECONDS,
            messages=_MESSAGES[wire](sent) if iso8583 else rest_payments(sent, self.stock.token),
            also=_PARTS if wire == "mixed" else (),
            digits=CODE_DIGITS if wire == "scan" else NUMBER_DIGITS,
        )
        outcome = await generate(job)
        if wire != "scan":  # whose codes are not numbers for others
            self.stock.give_back(payments[outcome.sent :], kind)
        return outcome

    async def mixed(self) -> Measured:
        """Registered cards swiped, with points of two issuers picked and the rest on the card."""
        kind = SourceKind.ISSUER_POINTS
        if not self.stock.has(kind):
            points = self.stock.points
            prepared = await register_cards(self.stock, points, self._partners, self.scratch)
            self.stock.put_in(kind, prepared)
        return await self.payments_at_peak("mixed", wire="mixed", kind=kind, in_flight=_OFF_US_IN_FLIGHT)

    async def stored(self) -> int:
        """Authorizations in the database."""
        async with self.stock.database.connection() as conn:
            return int(await conn.fetchval("select count(*) from authorizations"))

    # after payments --------------------------------------------------------------------------------------

    async def refunds(self) -> Measured:
        """As many as it takes, each of another payment, in a closed loop: 0200 with processing code 20."""
        rows = await self.stored()
        expected = int(self._fastest.get("refunds", _FIRST_GUESS) * 1.4 * (_WARM_UP_S + _SECONDS))
        sales, refunds = iso8583_sales_and_refunds(await self.stock.take(expected))
        await self._send_all(sales)
        before = self.platform.batches()
        outcome = await generate(
            Job(
                wire="iso8583",
                port=self.platform.acquirer_port,
                connections=_CONNECTIONS,
                in_flight=_IN_FLIGHT,
                per_second=None,
                warm_up_s=_WARM_UP_S,
                seconds=_SECONDS,
                messages=refunds,
                approves=False,
            )
        )
        after = self.platform.batches()
        self._fastest["refunds"] = max(outcome.per_second, self._fastest.get("refunds", 0))
        batch_mean = (after[1] - before[1]) / max(after[0] - before[0], 1)
        return Measured(per_second=outcome.per_second, batch_mean=batch_mean, rows=rows)

    async def claims(self) -> Measured:
        """A claim file of one merchant, a payment per line: from its first byte to its last claim."""
        rows = await self.stored()
        shop = self.stock.merchants[0]
        payments = [replace(payment, merchant=shop) for payment in await self.stock.take(_CLAIMS)]
        await self._send_all(iso8583_messages(payments))
        content = claim_file(payments, await self.stock.approval_codes(payments))
        headers = {"Authorization": f"Bearer {self.stock.token.reveal()}", "Content-Type": "text/csv"}
        address = f"http://127.0.0.1:{self.platform.rest_port}/v1/claim_files"
        before = self.platform.batches()
        async with httpx.AsyncClient(headers=headers, timeout=_STEPS_S, trust_env=False) as door:
            began = time.perf_counter()
            sent = await door.post(address, params={"merchant": to_text("mer", shop.id)}, content=content)
            file = sent.json()
            while file.get("status") == "processing":
                await asyncio.sleep(_POLL_S)
                file = (await door.get(f"{address}/{file['id']}")).json()
            seconds = time.perf_counter() - began
        after = self.platform.batches()
        if file.get("report", {}).get("captured", {}).get("claims") != _CLAIMS:
            raise BenchFailed(f"The claims were not all paid: {msgspec.json.encode(file).decode()}")
        batch_mean = (after[1] - before[1]) / max(after[0] - before[0], 1)
        return Measured(per_second=_CLAIMS / seconds, batch_mean=batch_mean, rows=rows)

    async def _send_all(self, messages: list[bytes]) -> None:
        """Payments that a load needs before its clock starts."""
        job = Job(
            wire="iso8583",
            port=self.platform.acquirer_port,
            connections=_CONNECTIONS,
            in_flight=_IN_FLIGHT,
            per_second=None,
            warm_up_s=0,
            seconds=_STEPS_S,
            messages=messages,
        )
        if (await generate(job)).sent < len(messages):
            raise BenchFailed(f"{len(messages)} payments take longer than {_STEPS_S:g} s.")

    # the others ------------------------------------------------------------------------------------------

    async def single(self) -> Measured:
        """One request at a time on one connection."""
        payments = await self.stock.take(_SINGLE_REQUESTS)
        rows = await self.stored()
        outcome = await generate(
            Job(
                wire="iso8583",
                port=self.platform.acquirer_port,
                connections=1,
                in_flight=1,
                per_second=None,
                warm_up_s=0.2,
                seconds=_SECONDS,
                messages=iso8583_messages(payments),
            )
        )
        self.stock.give_back(payments[outcome.sent :])
        return Measured(
            per_second=outcome.per_second, p50_ms=outcome.p50_ms, p99_ms=outcome.p99_ms, rows=rows
        )

    async def issue(self) -> Measured:
        """`POST /v1/cards`, one number each."""
        expected = int(self._fastest.get("issue", 4_000) * 1.4 * (_WARM_UP_S + _SECONDS))
        outcome = await generate(
            Job(
                wire="rest",
                port=self.platform.rest_port,
                connections=_REST_CONNECTIONS,
                in_flight=1,
                per_second=None,
                warm_up_s=_WARM_UP_S,
                seconds=_SECONDS,
                messages=rest_orders(self.stock.members, expected, self.stock.token),
                expected=b'"state":"active"',
            )
        )
        self._fastest["issue"] = outcome.per_second
        return Measured(per_second=outcome.per_second, p50_ms=outcome.p50_ms, p99_ms=outcome.p99_ms)

    async def issue_bulk(self) -> Measured:
        """One order of many numbers, in one commit, through the service."""
        began = time.perf_counter()
        await self.stock.rooms.cards.issue(self.stock.order(), count=_BULK)
        return Measured(per_second=_BULK / (time.perf_counter() - began))

    async def codes(self) -> Measured:
        """Payment codes in sets, from the wish to what phones get."""
        return Measured(per_second=await make_codes(self.stock))

    async def fan_out(self) -> Measured:
        """A till's question to twenty issuers, as the platform passes it on."""
        times = [seconds * 1000 for seconds in sorted(await fan_out(self.stock))]
        return Measured(p50_ms=times[len(times) // 2], p99_ms=times[-1])

    async def settlement(self) -> Measured:
        """A business day of a million captures."""
        return await settle_a_day(self.scratch)

    async def bulk_order(self) -> Measured:
        """A company's order of 10,000 gifts, from paid to allocated."""
        return await order_in_bulk(self.platform, self.stock.rooms)

    async def statements(self) -> Measured:
        """The daily statements of 100,000 members."""
        return await tell_a_day(self.scratch)

    async def start(self) -> Measured:
        """From `obverse serve` over an empty directory to its first answer."""
        return Measured(p50_ms=await asyncio.to_thread(_seconds_to_first_answer, self.scratch) * 1000)


def _seconds_to_first_answer(scratch: Path) -> float:
    with tempfile.TemporaryDirectory(dir=scratch, prefix="start-") as folder:
        data_dir = Path(folder)
        data_dir.chmod(0o755)
        began = time.perf_counter()
        with Platform.started(data_dir, free_port()):
            return time.perf_counter() - began


def _hottest(payments: list[Payment]) -> float:
    touched = Counter(payment.account_id for payment in payments)
    touched.update(payment.merchant.account_id for payment in payments)
    return touched.most_common(1)[0][1] / len(payments) if payments else 0.0


_MESSAGES: Final[Mapping[str, Callable[[list[Payment]], list[bytes]]]] = {
    "iso8583": iso8583_messages,
    "mixed": iso8583_mixed,
    "scan": iso8583_scans,
}

MEASURES: Final[Mapping[str, Callable[[Bench], Awaitable[Measured]]]] = {
    "on_us_iso8583": lambda bench: bench.payments_at_peak("on_us_iso8583"),
    "prepaid": lambda bench: bench.payments_at_peak("prepaid", kind=SourceKind.STORED_BALANCE),
    "one_merchant": lambda bench: bench.payments_at_peak("one_merchant", one_merchant=True),
    "on_us_rest": lambda bench: bench.payments_at_peak("on_us_rest", wire="rest"),
    "off_us": lambda bench: bench.payments_at_peak(
        "off_us", kind=SourceKind.LINKED_CARD, in_flight=_OFF_US_IN_FLIGHT
    ),
    "mixed": Bench.mixed,
    "scan": lambda bench: bench.payments_at_peak("scan", wire="scan"),
    "refunds": Bench.refunds,
    "claims": Bench.claims,
    "single": Bench.single,
    "issue": Bench.issue,
    "issue_bulk": Bench.issue_bulk,
    "codes": Bench.codes,
    "fan_out": Bench.fan_out,
    "settlement": Bench.settlement,
    "bulk_order": Bench.bulk_order,
    "statements": Bench.statements,
    "start": Bench.start,
}
