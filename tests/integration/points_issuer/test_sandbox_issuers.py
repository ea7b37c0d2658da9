"""The client and the three issuers of the sandbox, which share nothing but the protocol."""

from tests.factories.points_issuers import SECRET, points_issuers
from tests.factories.scripted_issuer import ScriptedIssuer, a_client

from obverse.authorization.ports import LegOutcome, Terminal
from obverse.kit.secret import Secret
from obverse.points import MessageKind, Trouble
from obverse.sandbox.faults import Fault
from obverse.sandbox.faults import MessageKind as Asked
from obverse.sandbox.points_issuer import PointsIssuer

TILL = Terminal("410001", "100000000000001", "T0000001", "260302000001")


class OfSandbox(ScriptedIssuer):
    """One of the sandbox's issuers as the platform has it stored."""

    def __init__(self, issuer: PointsIssuer) -> None:
        super().__init__(two_phase=issuer.profile.two_phase, tells_van=issuer.profile.tells_van)
        self.url, self.secret = issuer.url, SECRET


async def test_takes_links_and_what_is_told_afterwards_leave_both_books_alike() -> None:
    async with points_issuers() as sandbox:
        stored = [OfSandbox(issuer) for issuer in sandbox.all]
        sky, star, corner = stored
        async with a_client(*stored, timeout_s=0.5) as client:
            accounts = [sandbox.account(issuer, units=10_000) for issuer in sandbox.all]
            legs = [
                issuer.leg(f"ref-{n}", 400, TILL, handle=account.handle)
                for n, (issuer, account) in enumerate(zip(stored, accounts, strict=True))
            ]
            held = [await client.take(leg) for leg in legs]
            assert [answer.outcome for answer in held] == [LegOutcome.APPROVED] * 3
            assert [answer.to_confirm for answer in held] == [True, True, False]
            asks = [issuer.ask(account.handle) for issuer, account in zip(stored, accounts, strict=True)]
            blocked = sandbox.account(sandbox.sky_miles)
            blocked.blocked = True
            asks.append(sky.ask(blocked.handle))
            balances = await client.balances(asks)
            assert [balances[ask.source_id].units for ask in asks] == [9_600] * 3 + [None]
            assert balances[asks[-1].source_id].trouble is Trouble.REFUSED
            too_much = await client.take(corner.leg("more", 99_999, handle=accounts[2].handle))
            assert too_much.response_code == "insufficient_points"

            back = star.message("ref-1", MessageKind.GIVE_BACK, 150)
            assert await client.tell(star.id, [back, star.message("ref-1"), back]) == [True] * 3
            assert await client.tell(corner.id, [corner.message("ref-2", MessageKind.CANCEL)]) == [True]
            assert [account.units for account in accounts] == [9_600, 9_750, 10_000]

            await sandbox.misbehave(sandbox.sky_miles, Fault.CLOSE, times=1)
            lost = await client.take(sky.leg("lost", 100, handle=accounts[0].handle))
            assert lost.outcome is LegOutcome.NO_ANSWER
            assert accounts[0].units == 9_500, "it has happened"
            await sandbox.misbehave(sandbox.sky_miles, Fault.REFUSE, Asked.POINTS_CANCELLATIONS, times=1)
            cancel = sky.message("lost", MessageKind.CANCEL)
            assert await client.tell(sky.id, [cancel]) == [False]
            assert await client.tell(sky.id, [cancel]) == [True]
            assert accounts[0].units == 9_600

            begun = await client.begin_link(sky.id, Secret(accounts[0].number))
            assert begun is not None
            assert await client.prove_link(sky.id, begun.link, Secret("000000")) is None
            proof = await client.prove_link(sky.id, begun.link, Secret(sandbox.code()))
            assert proof is not None
            assert proof.handle.reveal() == accounts[0].handle
            assert await client.begin_link(sky.id, Secret("no-such-account")) is None
