"""P10: whatever is done with payment codes, each pays at most once, in its time and with its proof.

Codes are made, scanned, scanned again, guessed at, removed and outlive their windows; PINs with them are
wrong, card companies say no or nothing, terminals take payments back. Batches are decided one after the
other, each over what the last has left, as the database would keep it. The model is a dict of what each code
is still good for.
"""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from msgspec.structs import replace
from tests.factories.authorization import (
    a_credit_line,
    a_linked_card,
    a_request,
    authorize_command,
    credit_of,
    decided,
    makers,
)
from tests.factories.ledger import NOON, P0
from tests.factories.mixed import SHOP, a_code, a_registered_card

from obverse.authorization.batch import Batch
from obverse.authorization.commands import Authorize, Conclude, ReverseByKey, Shown
from obverse.authorization.inputs import Loaded
from obverse.authorization.model import Authorization, Decline, Entry, Purpose, Status
from obverse.authorization.ports import LegAnswer, LegOutcome
from obverse.cards.model import Card
from obverse.cards.rules import PIN_TRIES_MAX as CARD_TRIES_MAX
from obverse.codes.model import Code, CodePolicy, GuessBudget, Guesses
from obverse.codes.rules import PIN_TRIES_MAX
from obverse.kit.errors import NotFound
from obverse.kit.ids import AuthorizationId, CardId
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Secret

BUDGET = GuessBudget(of_terminal=3, of_merchant=5, overall=5)
PROOF_FROM = 50_000
TILLS = ("TERM0001", "TERM0002")
PINS = {"right": Secret("4821"), "wrong": Secret("1284"), "none": None}
OUTCOMES = st.sampled_from([LegOutcome.APPROVED, LegOutcome.DECLINED, LegOutcome.NO_ANSWER])


@dataclass
class PlainCode:
    """What a code is still good for."""

    card: CardId
    begins_s: int
    ends_s: int
    paid_by: AuthorizationId | None = None
    tries: int = 0

    @property
    def is_spent(self) -> bool:
        return self.paid_by is not None or self.tries >= PIN_TRIES_MAX


@dataclass(frozen=True)
class Read:
    """What a till reads and keys in: some code, or (`again`) what it has sent before."""

    which: int = 0
    amount: int = 1_000
    pin: str = "none"
    proved: bool = False
    asks_balance: bool = False
    till: str = TILLS[0]
    again: bool = False


@dataclass(frozen=True)
class Scan:
    code: bytes
    read: Read
    key: str = field(default_factory=lambda: f"scan {uuid4()}")

    def command(self) -> Authorize:
        request = replace(
            a_request(self.read.amount, SHOP, key=self.key, entry=Entry.BARCODE, expiry=None),
            cvv=None,
            pin=PINS[self.read.pin],
            holder_proved=self.read.proved,
            purpose=Purpose.INQUIRY if self.read.asks_balance else Purpose.PURCHASE,
            terminal=self.read.till,
        )
        command = authorize_command(None, request, cvv_ok=None, fingerprint=repr(self).encode())
        return replace(command, number_hashes=(), code_hash=self.code)

    def undo(self, code: bytes) -> ReverseByKey:
        mark, amount = AuthorizationId(uuid4()), Money(self.read.amount, KRW)
        return ReverseByKey(mark, self.key, Shown(code_hash=code), amount, SHOP.id, self.read.till)


WHICH = st.integers(0, 20)
READ = st.builds(
    Read,
    WHICH,
    st.sampled_from([1_000, 49_999, 50_000]),
    st.sampled_from(["none", "none", "right", "wrong", "wrong"]),
    st.booleans(),
    st.sampled_from([False, False, False, True]),
    st.sampled_from(TILLS),
    st.sampled_from([False, False, False, True]),
)


def thing(name: str, **how: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.tuples(st.just(name), st.fixed_dictionaries(how))


THINGS = st.one_of(
    thing("make", which=st.integers(0, 1), begins_s=st.sampled_from([-60, 0, 0, 120])),
    thing("scan", reads=st.lists(READ, min_size=1, max_size=6)),
    thing("scan", reads=st.lists(READ, min_size=1, max_size=6)),
    thing("scan", reads=st.lists(READ, min_size=1, max_size=6)),
    thing("remove_its_device", which=WHICH),
    thing("set_a_new_pin", which=st.integers(0, 1)),
    thing("take_back", which=WHICH, before_it_comes=st.booleans()),
    thing("take_back_with_another_code", which=WHICH, another=WHICH),
    thing("card_companies_answer", outcome=OUTCOMES),
    thing("time_passes", seconds=st.sampled_from([1, 90, 120])),
    thing("the_hour_is_over"),
)


class CodeLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.account = credit_of(10**9)
        self.sources = [a_credit_line(self.account), a_linked_card()]
        self.cards: dict[CardId, Card] = {}
        for source in self.sources:
            card = replace(a_registered_card(source), expires_at=NOON + timedelta(days=9))
            self.cards[card.id] = replace(card, pin_hash=f"{card.id}:4821".encode())
        self.now_s = 0
        # what the database would keep
        self.stored: dict[bytes, Code] = {}
        self.payments: dict[AuthorizationId, Authorization] = {}
        self.tried: Counter[str] = Counter()
        # the model
        self.plain: dict[bytes, PlainCode] = {}
        self.failures: Counter[CardId] = Counter()
        self.guesses: Counter[str] = Counter()
        self.answers: dict[str, tuple[AuthorizationId | None, Decline | None]] = {}

        self.codes: list[bytes] = []
        self.scans: list[Scan] = []
        for which, begins_s in ((0, 0), (1, 0), (0, -60), (0, 120)):
            self.make(which, begins_s)

    @rule(things=st.lists(THINGS, min_size=5, max_size=15))
    def things_happen(self, things: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        for name, how in things:
            getattr(self, name)(**how)
            self.every_code_is_worth_what_the_model_says()
            self.only_what_spent_a_code_has_moved_money()

    # deciding ------------------------------------------------------------------------------------------

    def batch(self) -> Batch:
        loaded = Loaded(
            cards={card.number_hash: card for card in self.cards.values()},
            sources={source.id: source for source in self.sources},
            accounts=[self.account],
            codes=dict(self.stored),
            guesses=Guesses(
                {(SHOP.id, till): count for till, count in self.tried.items()},
                {SHOP.id: self.tried.total()},
                self.tried.total(),
            ),
            authorizations=list(self.payments.values()),
        )
        policy = CodePolicy(BUDGET, PROOF_FROM)
        made = dataclasses.replace(makers(), codes=policy)
        return Batch(P0, loaded, now=NOON + timedelta(seconds=self.now_s), makers=made)

    def keep(self, batch: Batch) -> None:
        self.stored |= {hash_: code for hash_, code in batch.spent_codes.items() if hash_ in self.stored}
        self.payments |= {p.id: p for p in batch.authorizations([*batch.inserted, *batch.updated])}
        self.tried.update({till: count for (_, till), count in batch.guesses.items()})
        for use in batch.card_uses():
            self.cards[use.id] = replace(self.cards[use.id], pin_failures=use.pin_failures)

    # what phones do --------------------------------------------------------------------------------------

    def make(self, which: int, begins_s: int) -> None:
        card = list(self.cards.values())[which]
        begins, ends = self.now_s + begins_s, self.now_s + begins_s + 210
        code = a_code(card, begins_s=begins, ends_s=ends)
        self.stored[code.hash] = code
        self.plain[code.hash] = PlainCode(card.id, begins, ends)
        self.codes.append(code.hash)

    def remove_its_device(self, which: int) -> None:
        """What was not used is gone; what has paid stays known as that."""
        code = self.codes[which % len(self.codes)]
        if code in self.plain and self.plain[code].paid_by is None:
            del self.plain[code], self.stored[code]

    def set_a_new_pin(self, which: int) -> None:
        card = list(self.cards.values())[which]
        self.cards[card.id] = replace(card, pin_failures=0)
        self.failures[card.id] = 0

    # what tills do ---------------------------------------------------------------------------------------

    def scan(self, reads: Sequence[Read]) -> None:
        """At the same moment; some come again, and are answered as before."""
        batch = self.batch()
        for read in reads:
            scan = self.sent_before(read.which) if read.again else Scan(self.code(read.which), read)
            self.scans.append(scan)
            answer = decided(batch.decide(scan.command()))
            if scan.key not in self.answers:
                self.answers[scan.key] = self.expected(scan, answer.id)
                assert answer.decline is self.answers[scan.key][1]
            assert self.answers[scan.key][0] in (None, answer.id)
        self.keep(batch)

    def code(self, which: int) -> bytes:
        """One that was made, or (now and then) one that never was."""
        return b"made up" if which % 7 == 0 else self.codes[which % len(self.codes)]

    def sent_before(self, which: int) -> Scan:
        """The newest first; one that never got here where there is none."""
        return self.scans[-1 - which % len(self.scans)] if self.scans else Scan(self.code(which), Read())

    def expected(self, scan: Scan, id_: AuthorizationId) -> tuple[AuthorizationId, Decline | None]:
        """What this till has to hear, and what it leaves of the code."""
        guessed = self.guesses[scan.read.till]
        is_shut = guessed >= BUDGET.of_terminal or self.guesses.total() >= BUDGET.of_merchant
        code, without_proof = self.plain.get(scan.code), is_shut and not scan.read.proved
        if code is None and not is_shut:
            self.guesses[scan.read.till] += 1
            return id_, Decline.UNKNOWN_CODE
        if code is None or code.is_spent or not code.begins_s <= self.now_s < code.ends_s:
            unshut = Decline.CODE_USED if code is not None and code.is_spent else Decline.CODE_EXPIRED
            return id_, Decline.TOO_MANY_GUESSES if is_shut else unshut
        if scan.read.pin != "none" and self.failures[code.card] >= CARD_TRIES_MAX:
            return id_, Decline.TOO_MANY_GUESSES if without_proof else Decline.PIN_LOCKED
        if scan.read.pin == "wrong":
            self.failures[code.card] += 1
            code.tries += 1
            return id_, Decline.TOO_MANY_GUESSES if without_proof else Decline.WRONG_PIN
        if scan.read.pin == "right":
            self.failures[code.card] = 0
        elif without_proof:
            return id_, Decline.TOO_MANY_GUESSES
        if scan.read.amount >= PROOF_FROM and scan.read.pin != "right" and not scan.read.proved:
            return id_, Decline.PROOF_NEEDED
        if not scan.read.asks_balance:
            code.paid_by = id_
        return id_, None

    def take_back(self, which: int, *, before_it_comes: bool) -> None:
        """By whoever shows that code; one that comes before its payment leaves the code as it is."""
        batch = self.batch()
        scan = Scan(self.code(which), Read()) if before_it_comes else self.sent_before(which)
        self.scans.append(scan)
        earlier = next((p for p in self.payments.values() if p.request_key == scan.key), None)
        undone = batch.decide(scan.undo(scan.code))
        if earlier is not None and earlier.status in (Status.APPROVED, Status.PROCESSING):
            paid = self.plain.get(scan.code)
            knows = paid is not None and paid.paid_by == earlier.id
            assert isinstance(undone, NotFound) != knows
        self.keep(batch)
        self.answers.setdefault(scan.key, (None, Decline.REVERSED))

    def take_back_with_another_code(self, which: int, another: int) -> None:
        batch, scan, other = self.batch(), self.sent_before(which), self.code(another)
        paid = [p for p in self.payments.values() if p.request_key == scan.key and _stands(p)]
        if paid and other != scan.code:
            assert isinstance(batch.decide(scan.undo(other)), NotFound)

    def card_companies_answer(self, outcome: LegOutcome) -> None:
        """Whatever they say, the code that was shown is spent."""
        batch = self.batch()
        for payment in self.payments.values():
            if payment.status is Status.PROCESSING:
                batch.decide(Conclude(payment.id, {0: LegAnswer(outcome, None, "1")}))
        self.keep(batch)

    # time ------------------------------------------------------------------------------------------------

    def time_passes(self, seconds: int) -> None:
        self.now_s += seconds

    def the_hour_is_over(self) -> None:
        self.tried.clear()
        self.guesses.clear()

    def every_code_is_worth_what_the_model_says(self) -> None:
        kept = {hash_: (code.used_by, code.pin_tries) for hash_, code in self.stored.items()}
        assert kept == {hash_: (code.paid_by, code.tries) for hash_, code in self.plain.items()}
        assert self.tried == self.guesses
        assert all(card.pin_failures == self.failures[card.id] for card in self.cards.values())

    def only_what_spent_a_code_has_moved_money(self) -> None:
        spenders = {code.paid_by for code in self.plain.values()}
        moved = {id_ for id_, payment in self.payments.items() if payment.legs}
        assert moved <= spenders


def _stands(payment: Authorization) -> bool:
    return payment.status in (Status.APPROVED, Status.PROCESSING)


TestP10EachCodePaysAtMostOnce = CodeLife.TestCase
TestP10EachCodePaysAtMostOnce.settings = settings(
    max_examples=400,
    stateful_step_count=2,
    deadline=None,
    phases=[Phase.generate],  # to make what it finds smaller takes minutes
)
