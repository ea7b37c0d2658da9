"""The client against issuers on real sockets: honest ones, slow ones, and ones that lie."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook
from tests.factories.scripted_issuer import SECRET, Lie, ScriptedIssuer, a_client, code_for
from tests.factories.waiting import eventually

from obverse.authorization.ports import LegAnswer, LegOutcome, Terminal
from obverse.kit.errors import Unavailable
from obverse.kit.secret import Secret
from obverse.networks.points_issuer.breaker import FAILURES_MAX, PAUSE_S
from obverse.points import IssuerState, LinkBegun, LinkProof, MessageKind, Trouble
from obverse.points.ports import BalanceAnswer

NO_ANSWER, UNREACHABLE = LegAnswer(LegOutcome.NO_ANSWER), LegAnswer(LegOutcome.UNREACHABLE)
TILL = Terminal("410001", "100000000000001", "T0000001", "260302000001")


# takes


@pytest.mark.parametrize("two_phase", [True, False], ids=["holds", "deducts"])
async def test_a_take_says_what_the_issuer_needs_and_brings_its_approval(two_phase: bool) -> None:
    async with ScriptedIssuer(two_phase=two_phase, tells_van=True) as issuer, a_client(issuer) as client:
        answer = await client.take(issuer.leg("ref-1", 200, TILL))
    assert answer == LegAnswer(LegOutcome.APPROVED, approval_code="REF1", to_confirm=two_phase)
    assert issuer.asked_for("/holds" if two_phase else "/deductions") == [
        {
            "takes": [
                {
                    "reference": "ref-1",
                    "account": "acc-ref-1",
                    "units": 200,
                    "merchant": "Corner shop",
                    "amount": 50,
                    "currency": "KRW",
                    "terminal": {
                        "acquirer": "410001",
                        "merchant_no": "100000000000001",
                        "terminal": "T0000001",
                        "rrn": "260302000001",
                    },
                }
            ]
        }
    ]


async def test_an_issuer_that_tells_no_van_does_not_learn_the_terminal() -> None:
    async with ScriptedIssuer() as issuer, a_client(issuer) as client:
        await client.take(issuer.leg("ref-1", terminal=TILL))
    assert issuer.asked[0].body["takes"][0]["terminal"] is None


async def test_a_decline_brings_its_reason_and_a_reason_nobody_knows_is_none() -> None:
    async with ScriptedIssuer() as issuer, a_client(issuer) as client:
        issuer.declines = {"ref-1": "insufficient_points", "ref-2": "full moon"}
        answers = [await client.take(issuer.leg(f"ref-{number}")) for number in (1, 2)]
    assert answers == [
        LegAnswer(LegOutcome.DECLINED, response_code="insufficient_points"),
        LegAnswer(LegOutcome.DECLINED),
    ]


@pytest.mark.parametrize("lie", Lie)
async def test_p09_what_was_sent_and_not_answered_clearly_may_have_happened(lie: Lie) -> None:
    async with ScriptedIssuer() as issuer, a_client(issuer, timeout_s=0.8) as client:
        issuer.lie = lie
        assert await client.take(issuer.leg("ref-1")) == NO_ANSWER
        assert len(issuer.asked) == 1, "asked once: whether to ask again is not decided here"
        issuer.lie = None
        assert (await client.take(issuer.leg("ref-2"))).approval_code == "REF2"


async def test_what_never_left_us_cannot_have_happened() -> None:
    issuer, unknown = ScriptedIssuer(), ScriptedIssuer()
    async with a_client(issuer) as client:
        async with issuer:
            issuer.state = IssuerState.SUSPENDED
            assert await client.take(issuer.leg("ref-1")) == UNREACHABLE
            issuer.state = IssuerState.ACTIVE
        assert await client.take(issuer.leg("ref-2")) == UNREACHABLE
        assert await client.take(unknown.leg("ref-3")) == UNREACHABLE
    assert issuer.asked == []


async def test_a_repeat_has_the_same_answer_and_takes_nothing_twice() -> None:
    async with ScriptedIssuer() as issuer, a_client(issuer) as client:
        leg = issuer.leg("ref-1", 300)
        assert await client.take(leg) == await client.take(leg)
    assert issuer.taken == {"ref-1": 300}


async def test_p12_a_late_answer_meets_no_other_request() -> None:
    async with ScriptedIssuer() as issuer, a_client(issuer, timeout_s=0.6) as client:
        issuer.delay_once_s = 0.7
        late = asyncio.create_task(client.take(issuer.leg("late")))
        await eventually(lambda: issuer.under_way == 1)
        assert await late == NO_ANSWER
        answers = await asyncio.gather(*[client.take(issuer.leg(f"next-{n}")) for n in range(20)])
        await asyncio.sleep(0.2)
        after = await client.take(issuer.leg("after"))
    assert [answer.approval_code for answer in answers] == [code_for(f"next-{n}") for n in range(20)]
    assert after.approval_code == "AFTER"
    assert issuer.asked[0].connection not in {asked.connection for asked in issuer.asked[1:]}


async def test_each_call_keeps_its_own_deadline_also_while_others_of_its_request_wait() -> None:
    async with ScriptedIssuer() as issuer, a_client(issuer, timeout_s=0.6) as client:
        issuer.lie = Lie.SILENT
        began = time.monotonic()
        first = asyncio.create_task(client.take(issuer.leg("first")))
        await asyncio.sleep(0.3)
        second = asyncio.create_task(client.take(issuer.leg("second")))
        assert await first == NO_ANSWER
        assert 0.55 < time.monotonic() - began < 0.85, "not 0.9: it does not wait as long as the second"
        assert await second == NO_ANSWER


# gathering


async def test_one_goes_at_once_and_hundreds_share_a_request_each_with_its_own_answer() -> None:
    async with ScriptedIssuer() as issuer, a_client(issuer) as client:
        issuer.delay_once_s = 0.1
        alone = asyncio.create_task(client.take(issuer.leg("alone")))
        await eventually(lambda: issuer.under_way == 1)
        together = await asyncio.gather(*[client.take(issuer.leg(f"r-{n}", n + 1)) for n in range(500)])
        assert (await alone).approval_code == "ALONE"
    sizes = [len(asked.body["takes"]) for asked in issuer.asked]
    assert (sizes[0], sum(sizes)) == (1, 501)
    assert max(sizes) == 200
    assert len(sizes) <= 5
    assert [answer.approval_code for answer in together] == [code_for(f"r-{n}") for n in range(500)]
    assert issuer.taken["r-499"] == 500


async def test_only_a_few_requests_are_under_way_to_one_issuer() -> None:
    async with ScriptedIssuer() as issuer, a_client(issuer) as client:
        issuer.delay_s = 0.05
        takes = []
        for n in range(60):
            takes.append(asyncio.create_task(client.take(issuer.leg(f"r-{n}"))))
            await asyncio.sleep(0.003)
        assert all(answer.outcome is LegOutcome.APPROVED for answer in await asyncio.gather(*takes))
    assert 2 <= issuer.most_under_way <= 4


async def test_an_item_that_is_refused_does_not_take_its_neighbours_down() -> None:
    async with ScriptedIssuer() as issuer, a_client(issuer) as client:
        issuer.refuses = "r-5"
        answers = await asyncio.gather(*[client.take(issuer.leg(f"r-{n}")) for n in range(9)])
    outcomes = [answer.outcome for answer in answers]
    assert outcomes.pop(5) is LegOutcome.NO_ANSWER
    assert set(outcomes) == {LegOutcome.APPROVED}
    assert set(issuer.taken) == {f"r-{n}" for n in range(9)} - {"r-5"}


# balances


async def test_twenty_issuers_are_asked_at_once_and_each_row_says_why_it_is_empty() -> None:
    issuers = [ScriptedIssuer() for _ in range(20)]
    async with AsyncExitStack() as stack:
        for issuer in issuers[:-1]:  # the last one is down
            await stack.enter_async_context(issuer)
            issuer.balances, issuer.delay_s = {"acc": 100}, 0.1
        silent, wrong, broken, refusing = issuers[:4]
        silent.lie, wrong.lie, broken.lie = Lie.SILENT, Lie.OTHERS, Lie.BROKEN
        refusing.balances = {"acc": "account_blocked"}
        issuers[4].balances = {"acc": -5}
        client = await stack.enter_async_context(a_client(*issuers, timeout_s=1.0))
        asks = [issuer.ask("acc") for issuer in issuers]
        began = time.monotonic()
        answers = await client.balances(asks)
        took_s = time.monotonic() - began
        healthy = [ask for ask, issuer in zip(asks[5:-1], issuers[5:-1], strict=True) if not issuer.lie]
        began = time.monotonic()
        await client.balances(healthy)
        healthy_s = time.monotonic() - began
    rows = [answers[ask.source_id] for ask in asks]
    empty = [Trouble.SLOW, Trouble.DOWN, Trouble.DOWN, Trouble.REFUSED, Trouble.REFUSED]
    assert rows[:5] == [BalanceAnswer(None, trouble) for trouble in empty]
    assert rows[5:-1] == [BalanceAnswer(100)] * 14
    assert rows[-1] == BalanceAnswer(None, Trouble.DOWN)
    assert took_s < 1.6, "the deadline, and not the sum of them"
    assert healthy_s < 0.8, "the slowest healthy one, and not the deadline"


async def test_balances_of_one_account_asked_for_twice_are_both_answered() -> None:
    async with ScriptedIssuer() as issuer, a_client(issuer) as client:
        issuer.balances = {"acc": 7, "other": 8}
        asks = [issuer.ask("acc"), issuer.ask("other"), issuer.ask("acc")]
        answers = await client.balances(asks)
    assert [answers[ask.source_id].units for ask in asks] == [7, 8, 7]
    assert len(issuer.asked) == 1


# the breaker


async def test_an_issuer_that_keeps_failing_is_left_alone_and_tried_again_after_a_pause() -> None:
    async with ScriptedIssuer() as issuer, a_client(issuer) as client:
        issuer.lie = Lie.BROKEN
        for n in range(FAILURES_MAX):
            assert await client.take(issuer.leg(f"r-{n}")) == NO_ANSWER
        issuer.lie = None
        told = issuer.message("r-1", MessageKind.CANCEL)
        assert await client.take(issuer.leg("open")) == UNREACHABLE
        assert await client.tell(issuer.id, [told]) == [False]
        ask = issuer.ask("acc")
        assert (await client.balances([ask]))[ask.source_id] == BalanceAnswer(None, Trouble.DOWN)
        assert len(issuer.asked) == FAILURES_MAX
        await asyncio.sleep(PAUSE_S)
        assert await client.tell(issuer.id, [told]) == [True]
        assert (await client.take(issuer.leg("closed"))).outcome is LegOutcome.APPROVED


# what issuers are told


async def test_confirmations_and_cancellations_go_in_sets_and_are_acknowledged_one_by_one() -> None:
    async with ScriptedIssuer() as issuer, a_client(issuer) as client:
        issuer.refuses = "c-3"
        confirms = [issuer.message(f"c-{n}") for n in range(250)]
        undone = [
            issuer.message("back", MessageKind.GIVE_BACK, 30),
            issuer.message("all", MessageKind.CANCEL),
        ]
        heard = await client.tell(issuer.id, [*undone, *confirms])
        issuer.state = IssuerState.SUSPENDED
        assert await client.tell(issuer.id, undone) == [True, True], "suspended ones are still told"
    assert heard == [True, True, *[n != 3 for n in range(250)]]
    assert issuer.asked_for("/cancellations")[0] == {
        "cancellations": [
            {"reference": "back", "units": 30, "units_before": 0},
            {"reference": "all", "units": None, "units_before": None},
        ]
    }
    assert len(issuer.asked_for("/confirmations")) < 20


@pytest.mark.parametrize("lie", [lie for lie in Lie if lie is not Lie.NO_CODE])
async def test_nothing_is_acknowledged_by_a_lie(lie: Lie) -> None:
    async with ScriptedIssuer() as issuer, a_client(issuer, timeout_s=0.8) as client:
        issuer.lie = lie
        assert await client.tell(issuer.id, [issuer.message("ref-1", MessageKind.CANCEL)]) == [False]


# links


async def test_a_link_is_begun_and_proved() -> None:
    async with ScriptedIssuer() as issuer, a_client(issuer) as client:
        issuer.links = {
            "/links": (201, {"link": "lnk_1"}),
            "/links/lnk_1/proof": (200, {"account": "handle-1"}),
        }
        assert await client.begin_link(issuer.id, Secret("7700-1")) == LinkBegun("lnk_1")
        assert await client.prove_link(issuer.id, "lnk_1", Secret("123456")) == LinkProof(Secret("handle-1"))
    assert [asked.body for asked in issuer.asked] == [{"account": "7700-1"}, {"code": "123456"}]


@pytest.mark.parametrize(
    ("begun", "proved", "is_known"),
    [
        ((404, {}), (422, {}), True),
        ((404, {}), (410, {}), True),
        ((503, {}), (503, {}), False),
        ((201, {"link": "../holds"}), (200, {"account": ""}), False),
        ((201, {"link": 5}), (200, {}), False),
    ],
    ids=["wrong", "over", "broken", "hostile", "not understood"],
)
async def test_a_link_that_cannot_be_is_none_and_an_issuer_that_cannot_say_is_unavailable(
    begun: tuple[int, object], proved: tuple[int, object], is_known: bool
) -> None:
    async with ScriptedIssuer() as issuer, a_client(issuer) as client:
        issuer.links = {"/links": begun, "/links/lnk_1/proof": proved}
        for ask in (
            lambda: client.begin_link(issuer.id, Secret("7700-1")),
            lambda: client.prove_link(issuer.id, "lnk_1", Secret("123456")),
        ):
            if is_known:
                assert await ask() is None
            else:
                with pytest.raises(Unavailable):
                    await ask()


# signatures


async def test_every_request_is_signed_for_this_issuer_with_the_machines_time() -> None:
    at = datetime.now(UTC)
    async with ScriptedIssuer() as issuer, a_client(issuer, now=lambda: at) as client:
        await asyncio.gather(*[client.take(issuer.leg(f"r-{n}")) for n in range(3)])
        await client.tell(issuer.id, [issuer.message("r-1")])
    for asked in issuer.asked:
        Webhook(SECRET.reveal()).verify(asked.raw, asked.headers)
        assert asked.headers["webhook-timestamp"] == str(int(at.timestamp()))
        assert asked.headers["content-type"] == "application/json"
    assert len({asked.headers["webhook-id"] for asked in issuer.asked}) == len(issuer.asked)
