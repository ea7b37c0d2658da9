"""The parties as a journey meets them: the provider's API, the card company, the mall, a till, people."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from random import Random
from typing import Any, Final, Self
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx

from obverse.cli.journeys.narration import Line, Narration
from obverse.cli.journeys.places import LinkedCard, MerchantPlace, Places
from obverse.kit.clock import Clock
from obverse.kit.secret import Secret
from obverse.sandbox.terminal import Shop, Till
from obverse.sandbox.trace import Trace

TIMEOUT_S: Final = 20.0
_ZONE: Final = ZoneInfo("Asia/Seoul")
_MORNING: Final = time_of_day(9)
_DAYS_TO_REST: Final = 12
"""A week for holds that nobody captures, and the banking days after it."""
_A_MOMENT_S: Final = 3.0
"""For what a new day brings with it: settlement, clearing files, the bank."""
_MOVES_BY_ITSELF: Final = (
    "merchant_payable",
    "card_company_receivable",
    "in_transit",
    "suspense",
    "disputed",
)
EVENTUALLY_S: Final = 45.0
"""How long a durable job may take to be done: reversals go out in the background."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is empty where the answer is no JSON: then all there is is its `text`."""

    status: int
    body: Mapping[str, Any]
    text: str = ""


@dataclass(frozen=True, slots=True)
class BookLine:
    """What a journey has left on all accounts of one kind: debits less credits, in minor units."""

    kind: str
    posted_minor: int
    pending_minor: int


@dataclass(frozen=True, slots=True)
class Number:
    """A stand-in as its holder sees it."""

    card: str
    number: Secret
    exp_month: int
    exp_year: int
    cvv: Secret

    @property
    def expiry(self) -> str:
        """YYMM."""
        return f"{self.exp_year % 100:02d}{self.exp_month:02d}"


class Caller:
    """Somebody who calls an HTTP API, by a name that is told and with a token that is not."""

    def __init__(
        self, http: httpx.AsyncClient, name: str, callee: str, narration: Narration | None, token: str = ""
    ) -> None:
        self._http, self._name, self._callee, self._narration = http, name, callee, narration
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def untold(self) -> "Caller":
        """The same caller without anybody telling of it: for questions asked again and again."""
        silent = Caller(self._http, self._name, self._callee, None)
        silent._headers = self._headers
        return silent

    async def get(self, path: str) -> Answer:
        return await self._call("GET", path, None, {})

    async def put(self, path: str, body: Mapping[str, Any]) -> Answer:
        return await self._call("PUT", path, body, {})

    async def patch(self, path: str, body: Mapping[str, Any]) -> Answer:
        return await self._call("PATCH", path, body, {})

    async def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> Answer:
        """POST; `key` is the Idempotency-Key."""
        return await self._call("POST", path, body, {"Idempotency-Key": key} if key else {})

    async def send_file(self, path: str, content: str, media_type: str = "text/csv") -> Answer:
        """POST a file as it is."""
        return await self._call("POST", path, None, {"Content-Type": media_type}, content.encode())

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        content: bytes | None = None,
    ) -> Answer:
        if self._narration is not None:
            self._narration.call(self._name, self._callee, f"{method} {path}", body or {})
        sent: dict[str, Any] = {"json": body} if content is None else {"content": content}
        response = await self._http.request(method, path, headers={**self._headers, **headers}, **sent)
        is_json = "json" in response.headers.get("Content-Type", "")
        answer = Answer(response.status_code, response.json() if is_json else {}, response.text)
        if self._narration is not None:
            self._narration.answer(self._callee, self._name, answer.status, answer.body)
        return answer


class World:
    """Open it with `async with`; it closes every connection that a journey made."""

    def __init__(self, places: Places, clock: Clock, rng: Random) -> None:
        self.places, self.rng = places, rng
        self._clock = clock
        self._opened: dict[str, MerchantPlace] = {}
        self._narration = Narration(clock)
        self._stack = AsyncExitStack()
        self._heard = 0
        self._line_was_cut = False

    async def __aenter__(self) -> Self:
        self._rest = await self.connect(self.places.rest_url)
        self._mall = await self.connect(self.places.mall_url)
        self._control = Caller(await self.connect(self.places.control_url), "", "", None)
        # Earlier journeys may have moved the partners' time; whoever stands at a till lives in it too.
        self._clock.move_to(timedelta(seconds=(await self._control.get("/clock")).body["offset_seconds"]))
        self.operator = Caller(self._rest, "Operator", "Obverse", self._narration, self.places.api_key)
        await self.told()  # what was said before is no part of this journey
        self._began = self._heard
        self._books_before = await self._trial_balance()
        return self

    async def __aexit__(self, *_: object) -> None:
        if "mall" in self._opened:
            await self._open_mall(self.places.merchants[0])
        if self._line_was_cut:
            await self.set_van()
        await self._stack.aclose()

    def person(self, name: str, token: str = "") -> Caller:
        """Somebody who talks to the provider, with a session's or a holder's token or with none."""
        return Caller(self._rest, name, "Obverse", self._narration, token)

    def at_the_mall(self, name: str) -> Caller:
        """Somebody in front of the mall's checkout page."""
        return Caller(self._mall, name, self.merchant("mall").name, self._narration)

    def merchant(self, role: str) -> MerchantPlace:
        """One of the demo merchants: `mall`, `shop` or `kiosk`, in this order in the demo file."""
        return self._opened.get(role) or self.places.merchants[("mall", "shop", "kiosk").index(role)]

    async def open_for_business(self, role: str, merchant: MerchantPlace) -> None:
        """Let this merchant stand in one of the demo merchants' places until the journey is over."""
        self._opened[role] = merchant
        if role == "mall":
            await self._open_mall(merchant)
        await self._control.put("/bank/accounts", bank_account_of(merchant))

    async def _open_mall(self, merchant: MerchantPlace) -> None:
        shown = asdict(merchant)
        names = ("id", "acquirer_id", "merchant_no", "name", "category", "api_key")
        form = {name: shown[name] for name in names}
        form |= {"terminal": merchant.terminals[0], "rest_url": self.places.rest_url}
        check_status(await self._control.put("/mall", form))

    def till(self, role: str, *, relay: bool = False) -> Till:
        """A till of this merchant, connected to the clearing house; with `relay` to us, who then are its
        host: through the clearing house a real card's number goes to its card company (PR-2)."""
        place = self.merchant(role)
        shop = Shop(place.acquirer_id, place.merchant_no, place.terminals[0], place.name, place.category)
        address = self.places.acquirer if relay else self.places.clearing_house
        # The clearing house tells what it hears; we do not.
        trace = Trace(self._clock, self._narration.passed) if relay else None
        till = Till(*address, shop, clock=self._clock, rng=self.rng, timeout_s=TIMEOUT_S, trace=trace)
        self._stack.push_async_callback(till.close)
        return till

    @property
    def back_office(self) -> Caller:
        """The partners' back office, where what happens behind the scenes is arranged and looked up."""
        return self._control

    async def at_the_van(self) -> Caller:
        """A till that asks the VAN; who tells of it is the VAN."""
        url = (await self._control.get("/van")).body["url"]
        return Caller(await self.connect(url), "", "", None)

    def identity_number(self, birth_date: str = "900101") -> str:
        """A person nobody has met before, and of whom the credit bureau thinks well."""
        return f"{birth_date}-{self.rng.randrange(1, 5)}{self.rng.randrange(10_000):05d}1"

    async def issue_real_card(self, limit: int = 1_000_000) -> LinkedCard:
        """The card company gives somebody a card."""
        return LinkedCard(**(await self._control.post("/cards", {"limit": limit})).body)

    async def owed_to_card_company(self, card: LinkedCard) -> tuple[int, int]:
        """What the card company holds on a real card, and what it has released, in minor units."""
        statement = (await self._control.get(f"/cards/{card.billing_account}/statement")).body
        return statement["held"], statement["released"]

    async def bill_of_card_company(self, card: LinkedCard) -> Mapping[str, Any]:
        """What the card company bills its own cardholder."""
        return (await self._control.get(f"/cards/{card.billing_account}/bill")).body

    async def pay_bill_of_card_company(self, card: LinkedCard) -> Mapping[str, Any]:
        return (await self._control.post(f"/cards/{card.billing_account}/bill/pay", {})).body

    async def letters_to(self, address: str) -> Sequence[Mapping[str, Any]]:
        """What lies in this mailbox, or came to this telephone number, oldest first."""
        letters: Sequence[Mapping[str, Any]]
        letters = (await self._control.get(f"/mailbox?to={quote(address)}")).body["data"]
        return letters

    async def open_bank_account(self, holder: str, balance: int = 0) -> dict[str, Any]:
        """A bank account of somebody's own, as forms ask for it."""
        account = {"bank_code": "011", "number": f"{self.rng.randrange(10**11, 10**12)}", "holder": holder}
        check_status(await self._control.put("/bank/accounts", account | {"balance": balance}))
        return account

    async def booked_today(self, account: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """The lines of this account's statement of today."""
        lines: Sequence[Mapping[str, Any]]
        lines = (await self._control.get(f"/bank/accounts/{account['number']}/entries")).body["data"]
        return lines

    async def bank_balance(self, merchant: MerchantPlace) -> int:
        """What lies in this merchant's bank account."""
        return await self.balance_of(merchant.bank_account)

    async def balance_of(self, number: str) -> int:
        """What lies in the bank account with this number."""
        accounts = (await self._control.get("/bank/accounts")).body["data"]
        return sum(account["balance"] for account in accounts if account["number"] == number)

    async def pay_by_bank(self, holder: str, amount: int, reference: str) -> None:
        """Somebody pays the provider from a bank account of their own."""
        payer = {"bank_code": "088", "number": f"{self.rng.randrange(10**11, 10**12)}", "holder": holder}
        paid = await self._control.post(
            "/bank/transfers", {"payer": payer, "amount": amount, "reference": reference}
        )
        check_status(paid)

    # time ----------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The moment it is, for the platform and all partners."""
        return self._clock.now()

    def today(self) -> date:
        """The programme's date."""
        return self.now().astimezone(_ZONE).date()

    def local_time(self, told: str) -> datetime:
        """A moment of an answer, as clocks show it where the programme is."""
        return datetime.fromisoformat(told).astimezone(_ZONE)

    async def wait_until(self, day: date) -> None:
        """Let time pass until nine in the morning of that day, for the platform and all partners."""
        await self.let_pass(datetime.combine(day, _MORNING, _ZONE) - self._clock.now())

    async def let_pass(self, time_: timedelta) -> None:
        """Let so much time pass, for the platform and all partners."""
        seconds = time_ // timedelta(seconds=1)
        if seconds <= 0:
            return
        quiet = Caller(self._rest, "", "", None, self.places.api_key)
        check_status(await quiet.post("/v1/simulate/advance_clock", {"seconds": seconds}))
        self._clock.move_to(self._clock.offset + timedelta(seconds=seconds))
        await self._control.put("/clock", {"offset_seconds": self._clock.offset // timedelta(seconds=1)})

    async def wait_until_tomorrow(self) -> None:
        await self.wait_until(self.today() + timedelta(days=1))

    async def come_to_rest(self) -> None:
        """Let what others have left behind be settled, claimed, paid or released.

        Journeys look at the whole ledger and let months pass in it: an old hold would end among theirs.
        """
        for _ in range(_DAYS_TO_REST):
            if await self.is_at_rest():
                return
            await self.wait_until_tomorrow()
            await asyncio.sleep(_A_MOMENT_S)

    async def is_at_rest(self) -> bool:
        """Whether nothing in the ledger will move with time alone."""
        found = await self._trial_balance()
        return not any(any(found.get(kind, (0, 0))) for kind in _MOVES_BY_ITSELF)

    def tell(self, sender: str, receiver: str, what: str) -> None:
        """Tell of what somebody says whom the sandbox does not hear."""
        self._narration.say(sender, receiver, what)

    async def told(self) -> Sequence[Line]:
        """Everything that was said since the last time, by whomever."""
        answer = await self._control.get(f"/messages?after={self._heard}")
        for message in answer.body["data"]:
            self._heard = message["number"]
            if message["kind"][:2] != "08":  # echo tests go on all the time, and tell nothing
                self._narration.message(message)
        return self._narration.take()

    async def books(self) -> Sequence[BookLine]:
        """What this journey has left in the ledger so far, by kind of account, without what is at zero."""
        now = await self._trial_balance()
        lines = []
        for kind in sorted(now):
            before = self._books_before.get(kind, (0, 0))
            posted, pending = (after - earlier for after, earlier in zip(now[kind], before, strict=True))
            if posted or pending:
                lines.append(BookLine(kind, posted, pending))
        return lines

    async def _trial_balance(self) -> Mapping[str, tuple[int, int]]:
        quiet = Caller(self._rest, "", "", None, self.places.api_key)
        lines = (await quiet.get("/v1/ledger/trial_balance")).body["lines"]
        return {
            line["kind"]: (
                line["debits_posted"] - line["credits_posted"],
                line["debits_pending"] - line["credits_pending"],
            )
            for line in lines
        }

    async def set_van(self, *, floor_limit: int = 0, line_down: bool = False) -> None:
        """Cut the VAN's line to the provider, and say up to what it decides meanwhile; or mend it."""
        self._line_was_cut |= line_down
        check_status(await self._control.put("/van", {"floor_limit": floor_limit, "line_down": line_down}))

    async def not_reported_yet(self) -> int:
        """How many decisions of its own the VAN has not told the provider."""
        waiting: int = (await self._control.get("/van")).body["waiting"]
        return waiting

    async def traffic_of(self, name: str) -> Sequence[Mapping[str, Any]]:
        """All that went over this party's lines since the journey began, as the sandbox has it."""
        messages = (await self._control.get(f"/messages?after={self._began}")).body["data"]
        return [message for message in messages if name in (message["from"], message["to"])]

    async def messages_to(self, receiver: str) -> int:
        """How many messages the sandbox has seen going to this partner since the step began."""
        answer = await self._control.get(f"/messages?after={self._heard}")
        kinds = ("01", "02")
        return sum(m["to"] == receiver and m["kind"].startswith(kinds) for m in answer.body["data"])

    async def connect(self, url: str) -> httpx.AsyncClient:
        """A client of that address, for as long as the journey lasts."""
        client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, trust_env=False)
        return await self._stack.enter_async_context(client)


def bank_account_of(merchant: MerchantPlace) -> dict[str, Any]:
    """Where this merchant is paid."""
    return {"bank_code": "004", "number": merchant.bank_account, "holder": merchant.name}


def check_status(answer: Answer) -> None:
    """Raise where one of the stage hands, who tell nothing, was refused."""
    if answer.status >= 400:
        raise ConnectionError(f"{answer.status}: {answer.body.get('detail')}")


async def eventually(ask: Callable[[], Awaitable[object]], expected: object) -> object:
    """Ask until the answer is `expected`, for `EVENTUALLY_S` at most; the last answer."""
    deadline = time.monotonic() + EVENTUALLY_S
    while (found := await ask()) != expected and time.monotonic() < deadline:  # noqa: ASYNC110 - it is elsewhere
        await asyncio.sleep(0.05)
    return found
