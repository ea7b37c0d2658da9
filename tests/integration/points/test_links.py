"""PR-1: a points account is its member's who reads the code that the issuer has sent to its owner."""

import asyncio
from datetime import timedelta

import pytest
from tests.factories.merchants import BY_HAND
from tests.factories.points import CODE, PointsHouse, a_number, points_house
from tests.factories.wallet import House, a_member_with_credit_line

from obverse.cards import CardNotFound
from obverse.kit.errors import InvalidRequest, KeyReused, Unavailable
from obverse.kit.ids import CardId, PointsIssuerId, SourceId
from obverse.kit.money import KRW
from obverse.kit.secret import Secret
from obverse.members import MemberSuspended
from obverse.points import (
    AccountState,
    CardTakesNoPoints,
    IssuerState,
    PointsAccountLinked,
    PointsAccountNotFound,
    PointsAccountNotProvable,
    PointsAccountUnknown,
    PointsCodeWrong,
    PointsIssuerNotFound,
    PointsIssuerSuspended,
    TooManyPointsAccounts,
    points_accounts_rekey,
)
from obverse.points.links import LINKS_A_DAY_MAX, TRIES_MAX
from obverse.points.repository import load_holdings
from obverse.points.rules import account_context, receivable
from obverse.vault.jobs import rotate
from obverse.wallet import CardWish, SourceKind, SourceState
from obverse.wallet import repository as sources

WRONG = Secret("135791")


@pytest.fixture
def points(house: House) -> PointsHouse:
    return points_house(house)


async def test_pr1_the_issuers_code_makes_an_account_a_source_behind_its_card(points: PointsHouse) -> None:
    member, linked_card, card = await points.registered_card()
    issuer = await points.issuer()
    pending = await points.links.begin(member.id, issuer.id, Secret("7700-1234 5678"), card_id=card.id)
    assert (pending.state, pending.last_four) == (AccountState.PENDING, "5678")
    assert points.network.begun == ["770012345678"]

    # Once it is proved it stays so, whatever is shown then.
    for code in (CODE, CODE, WRONG):
        proved = await points.links.prove(member.id, pending.id, code)
        assert (proved.state, proved.card_id) == (AccountState.PROVED, card.id)

    assert points.network.shown == [CODE.reveal()]
    assert (await points.house.cards.get(card.id)).funding == (linked_card.id, pending.id)
    async with points.house.database.connection() as conn:
        source = (await sources.load_sources(conn, [pending.id]))[pending.id]
        holding = (await load_holdings(conn, [pending.id]))[pending.id]
    owed = receivable(issuer.id, member.partition_id, KRW)
    assert (source.kind, source.account_id) == (SourceKind.ISSUER_POINTS, owed.id)
    handle = points.house.vault.open(holding.handle, account_context(pending.id))
    assert handle.reveal() == "handle-770012345678"
    assert await points.links.list(member.id) == [proved]


async def test_five_wrong_codes_end_it_also_when_they_come_at_once(points: PointsHouse) -> None:
    member, _ = await a_member_with_credit_line(points.house)
    issuer = await points.issuer()
    one, other = [await points.links.begin(member.id, issuer.id, a_number()) for _ in range(2)]

    for _ in range(TRIES_MAX):
        with pytest.raises(PointsCodeWrong):
            await points.links.prove(member.id, one.id, WRONG)
    with pytest.raises(PointsAccountNotProvable):
        await points.links.prove(member.id, one.id, CODE)

    answers = await asyncio.gather(
        *(points.links.prove(member.id, other.id, WRONG) for _ in range(4 * TRIES_MAX)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers].count(PointsCodeWrong) == TRIES_MAX
    assert len(points.network.shown) == 2 * TRIES_MAX
    assert await points.links.list(member.id) == []


async def test_a_code_has_its_time_and_a_new_link_ends_the_old(points: PointsHouse) -> None:
    member, _ = await a_member_with_credit_line(points.house)
    issuer, number = await points.issuer(), a_number()
    old = await points.links.begin(member.id, issuer.id, number)
    new = await points.links.begin(member.id, issuer.id, number)
    with pytest.raises(PointsAccountNotProvable):
        await points.links.prove(member.id, old.id, CODE)

    clock = points.house.clock
    clock.move_to(clock.offset + timedelta(minutes=10, seconds=1))
    with pytest.raises(PointsAccountNotProvable):
        await points.links.prove(member.id, new.id, CODE)
    await points.links.sweep()
    assert (await points.links.get(member.id, new.id)).state is AccountState.ENDED


async def test_p12_an_account_of_another_member_looks_unknown(points: PointsHouse) -> None:
    (owner, _), (stranger, _) = [await a_member_with_credit_line(points.house) for _ in range(2)]
    issuer, number, nobodys = await points.issuer(), a_number(), a_number()
    points.network.unknown.add(nobodys.reveal().replace("-", ""))
    begun = await points.links.begin(owner.id, issuer.id, number)
    # Begun by both, whoever has the code gets it.
    early = await points.links.begin(stranger.id, issuer.id, number)
    await points.links.prove(owner.id, begun.id, CODE)

    for account in (number, nobodys):
        with pytest.raises(PointsAccountUnknown):
            await points.links.begin(stranger.id, issuer.id, account)
    with pytest.raises(PointsAccountUnknown):
        await points.links.prove(stranger.id, early.id, CODE)
    for touch in (points.links.get, points.links.unlink):
        with pytest.raises(PointsAccountNotFound):
            await touch(stranger.id, begun.id)
    with pytest.raises(PointsAccountNotFound):
        await points.links.prove(stranger.id, begun.id, CODE)
    with pytest.raises(PointsAccountLinked):
        await points.links.begin(owner.id, issuer.id, number)
    assert await points.house.wallet.list(stranger.id) != []
    assert begun.id not in {source.id for source in await points.house.wallet.list(stranger.id)}


async def test_one_account_under_two_names_is_linked_once(points: PointsHouse) -> None:
    member, _ = await a_member_with_credit_line(points.house)
    issuer = await points.issuer()
    one, other = [await points.links.begin(member.id, issuer.id, a_number()) for _ in range(2)]
    await points.links.prove(member.id, one.id, CODE)
    points.network.same_handle = "handle-" + points.network.begun[0]

    with pytest.raises(PointsAccountLinked):
        await points.links.prove(member.id, other.id, CODE)


async def test_proved_twice_at_once_it_is_one_source(points: PointsHouse) -> None:
    member, linked_card, card = await points.registered_card()
    issuer = await points.issuer()
    pending = await points.links.begin(member.id, issuer.id, a_number(), card_id=card.id)

    proved = await asyncio.gather(*(points.links.prove(member.id, pending.id, CODE) for _ in range(4)))

    assert {account.state for account in proved} == {AccountState.PROVED}
    assert (await points.house.cards.get(card.id)).funding == (linked_card.id, pending.id)


async def test_what_the_issuer_did_not_answer_is_asked_again(points: PointsHouse) -> None:
    member, _ = await a_member_with_credit_line(points.house)
    issuer, number = await points.issuer(), a_number()
    points.network.down = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            await points.links.begin(member.id, issuer.id, number, request_key="one")
    (waiting,) = await points.links.list(member.id)
    assert waiting.link is None
    with pytest.raises(PointsAccountNotProvable):
        await points.links.prove(member.id, waiting.id, CODE)

    points.network.down = False
    begun = [await points.links.begin(member.id, issuer.id, number, request_key="one") for _ in range(3)]
    assert [(link.id, link.link) for link in begun] == [(waiting.id, begun[0].link)] * 3
    assert len(points.network.begun) == 1
    with pytest.raises(KeyReused):
        await points.links.begin(member.id, issuer.id, a_number(), request_key="one")

    points.network.down = True
    for _ in range(2 * TRIES_MAX):
        with pytest.raises(Unavailable):
            await points.links.prove(member.id, waiting.id, CODE)
    points.network.down = False
    proved = await points.links.prove(member.id, waiting.id, CODE)
    assert proved.state is AccountState.PROVED
    again = await points.links.begin(member.id, issuer.id, number, request_key="one")
    assert again.id == proved.id


async def test_of_twins_with_one_key_one_is_stored(points: PointsHouse) -> None:
    member, _ = await a_member_with_credit_line(points.house)
    issuer, number = await points.issuer(), a_number()

    begun = await asyncio.gather(
        *(points.links.begin(member.id, issuer.id, number, request_key="twins") for _ in range(4))
    )

    assert len({account.id for account in begun}) == 1
    assert (await points.links.prove(member.id, begun[0].id, CODE)).state is AccountState.PROVED


async def test_unlinked_it_pays_nothing_and_is_behind_no_card(points: PointsHouse) -> None:
    member, linked_card, card = await points.registered_card()
    issuer, number = await points.issuer(), a_number()
    pending = await points.links.begin(member.id, issuer.id, number, card_id=card.id)
    await points.links.prove(member.id, pending.id, CODE)
    wish = CardWish(funding=(pending.id, linked_card.id))
    stand_in = (await points.house.wallet.issue_card(member.id, wish)).card
    with pytest.raises(InvalidRequest):
        await points.house.wallet.remove(pending.id)

    for _ in range(2):
        removed = await points.links.unlink(member.id, pending.id)
        assert removed.state is AccountState.REMOVED

    for each in (card, stand_in):
        assert (await points.house.cards.get(each.id)).funding == (linked_card.id,)
    async with points.house.database.connection() as conn:
        source = (await sources.load_sources(conn, [pending.id]))[pending.id]
        assert await load_holdings(conn, [pending.id]) == {}
    assert source.state is SourceState.REMOVED
    # It is nobody's now, and may be linked again.
    again = await points.links.begin(member.id, issuer.id, number)
    assert (await points.links.prove(member.id, again.id, CODE)).state is AccountState.PROVED


async def test_a_card_that_cannot_take_points_is_refused_or_left_alone(points: PointsHouse) -> None:
    member, linked_card, card = await points.registered_card()
    (stranger, _), issuer = await a_member_with_credit_line(points.house), await points.issuer()
    begin = points.links.begin
    with pytest.raises(CardNotFound):
        await begin(stranger.id, issuer.id, a_number(), card_id=card.id)
    with pytest.raises(CardNotFound):
        await begin(member.id, issuer.id, a_number(), card_id=CardId(issuer.id))
    pending = await begin(member.id, issuer.id, a_number(), card_id=card.id)
    await points.house.cards.close(card.id)
    with pytest.raises(CardTakesNoPoints):
        await begin(member.id, issuer.id, a_number(), card_id=card.id)

    # Closed in between, the proof counts all the same.
    proved = await points.links.prove(member.id, pending.id, CODE)
    assert (proved.state, proved.card_id) == (AccountState.PROVED, None)
    assert (await points.house.cards.get(card.id)).funding == (linked_card.id,)


async def test_nothing_begins_with_who_does_not_take_part(points: PointsHouse) -> None:
    member, _ = await a_member_with_credit_line(points.house)
    issuer = await points.issuer()
    with pytest.raises(PointsIssuerNotFound):
        await points.links.begin(member.id, PointsIssuerId(member.id), a_number())
    with pytest.raises(InvalidRequest):
        await points.links.begin(member.id, issuer.id, Secret("77/00"))
    with pytest.raises(PointsAccountNotFound):
        await points.links.prove(member.id, SourceId(member.id), CODE)
    pending = await points.links.begin(member.id, issuer.id, a_number())
    await points.house.wallet.suspend(member.id)
    with pytest.raises(MemberSuspended):
        await points.links.prove(member.id, pending.id, CODE)
    with pytest.raises(MemberSuspended):
        await points.links.begin(member.id, issuer.id, a_number())
    await points.house.wallet.reinstate(member.id)
    await points.issuers.set_state(issuer.id, IssuerState.SUSPENDED, BY_HAND)
    with pytest.raises(PointsIssuerSuspended):
        await points.links.begin(member.id, issuer.id, a_number())


async def test_owners_are_not_flooded_with_codes(points: PointsHouse) -> None:
    member, _ = await a_member_with_credit_line(points.house)
    issuer, number = await points.issuer(), a_number()
    for _ in range(LINKS_A_DAY_MAX):
        await points.links.begin(member.id, issuer.id, number)

    with pytest.raises(TooManyPointsAccounts):
        await points.links.begin(member.id, issuer.id, number)
    assert len(points.network.begun) == LINKS_A_DAY_MAX


async def test_pr11_nothing_that_is_stored_names_the_account(points: PointsHouse) -> None:
    member, _, card = await points.registered_card()
    number, issuer = a_number(), await points.issuer()
    pending = await points.links.begin(member.id, issuer.id, number, card_id=card.id, request_key="one")
    await points.links.prove(member.id, pending.id, CODE)

    async with points.house.database.connection() as conn:
        tables = ("points_accounts", "points_issuers", "events", "audit_log", "funding_sources")
        stored = [str(tuple(row)) for name in tables for row in await conn.fetch(f"table {name}")]
    written = number.reveal().replace("-", "")
    for secret in (number.reveal(), written, f"handle-{written}", CODE.reveal(), "whsec_"):
        assert not [row for row in stored if secret in row], secret


async def test_handles_follow_when_keys_change(points: PointsHouse) -> None:
    member, _ = await a_member_with_credit_line(points.house)
    account = await points.account(member.id, await points.issuer())
    database, vault = points.house.database, points.house.vault

    async def handle() -> tuple[int, str]:
        async with database.connection() as conn:
            sealed = (await load_holdings(conn, [account.id]))[account.id].handle
        return sealed.key_version, vault.open(sealed, account_context(account.id)).reveal()

    version, plain = await handle()
    await rotate(database, vault, [points_accounts_rekey(vault)], lambda *_: None)
    assert await handle() == (version + 1, plain)
