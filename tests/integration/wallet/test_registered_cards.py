"""Real cards registered to be shown themselves, with points before them: PR-1, PR-11, PR-12."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.factories.ledger import P0
from tests.factories.plastic import a_plastic_wish
from tests.factories.registered_cards import a_registered_card, points_of
from tests.factories.vault import a_vault_on
from tests.factories.wallet import (
    House,
    a_member_with_credit_line,
    a_member_with_linked_card,
    card_details,
)

from obverse.cards import (
    Card,
    CardKind,
    CardNotGiveable,
    CardNotShown,
    CardState,
    NewPin,
    NotPhysical,
    SpentOn,
    WrongPin,
    pin_hash_of,
    repository,
)
from obverse.cards import RegisteredCardsRekey as Rekey
from obverse.kit.errors import InvalidRequest, KeyReused, ObverseError
from obverse.kit.ids import SourceId
from obverse.kit.secret import Secret
from obverse.members import MemberSuspended
from obverse.vault import Vault
from obverse.vault.jobs import VaultCardsRekey, retire, rotate
from obverse.wallet import (
    CardDetails,
    CardNotVerified,
    CheckResult,
    RegistrationWish,
    SourceNotActive,
    SourceNotFound,
)

PIN = NewPin(Secret("4821"), Secret("4821"))


async def found_by(house: House, number: Secret, vault: Vault | None = None) -> list[Card]:
    """What the engine finds behind a real number that a terminal sends."""
    vault = vault or house.vault
    while True:
        hashes = [keyed.digest for keyed in vault.number_hashes(number)]
        async with house.database.connection() as conn:
            found = await repository.find(conn, P0, hashes, [])
        if found or not vault.reload_if_changed():
            return found


async def events_of(house: House, card: Card) -> list[str]:
    async with house.database.connection() as conn:
        rows = await conn.fetch("select type from events where subject_id = $1 order by id", card.id)
    return [row["type"] for row in rows]


async def test_pr1_a_linked_card_is_registered_and_found_by_its_own_number(house: House) -> None:
    details = card_details(exp_month=12, exp_year=2030)
    member, _ = await a_member_with_credit_line(house)
    source = await house.wallet.link_card(member.id, details)

    issued = await house.registered.register(member.id, RegistrationWish(source.id, name="My card"))

    card = issued.card
    assert not issued.repeated
    assert (card.kind, card.state, card.name) == (CardKind.REGISTERED, CardState.ACTIVE, "My card")
    assert (card.bin, card.last_four) == (details.number.reveal()[:6], details.number.reveal()[-4:])
    assert (card.funding, card.own_source) == ((source.id,), source.id)
    assert (card.vault_card_id, card.member_id) == (source.vault_card_id, member.id)
    assert (card.controls.spent_on, card.uses_left) == (SpentOn.NEVER, 1)
    assert card.expires_at == datetime(2030, 12, 31, 15, tzinfo=UTC)  # midnight in Seoul
    assert await found_by(house, details.number) == [card] == [await house.cards.get(card.id)]
    assert await events_of(house, card) == ["card.registered"]


async def test_pr11_a_card_typed_in_is_linked_first_and_nothing_of_its_number_is_stored(house: House) -> None:
    member, line = await a_member_with_credit_line(house)
    card, details = await a_registered_card(house, member)
    assert [source.id for source in await house.wallet.list(member.id)] == [line.id, card.own_source]
    assert len(house.card_check.asked) == 1
    async with house.database.connection() as conn:
        rows = await conn.fetch(
            "select c::text from cards as c union all select v::text from vault_cards as v"
        )
    assert len(rows) == 2
    number = details.number.reveal()
    assert not any(number in row[0] or number.encode().hex() in row[0] for row in rows)
    with pytest.raises(CardNotGiveable):
        await house.cards.hand_over(card.id)
    with pytest.raises(NotPhysical):
        await house.fulfilments.ask(card.id, a_plastic_wish())
    with pytest.raises(CardNotShown):
        house.cards.reveal(card)


async def test_a_card_is_registered_once_however_it_is_asked_for(house: House) -> None:
    member, source = await a_member_with_linked_card(house)
    wish = RegistrationWish(source.id)
    answers = await asyncio.gather(*[house.registered.register(member.id, wish) for _ in range(10)])
    assert len({issued.card.id for issued in answers}) == 1
    assert sum(not issued.repeated for issued in answers) == 1
    assert await events_of(house, answers[0].card) == ["card.registered"]

    other, details = card_details(), card_details()
    typed = RegistrationWish(details=details)
    answers = await asyncio.gather(
        *[house.registered.register(member.id, typed, request_key="key") for _ in range(5)]
    )
    assert len({issued.card.id for issued in answers}) == 1
    asked = len(house.card_check.asked)
    again = await house.registered.register(member.id, typed, request_key="key")
    assert (again.card, again.repeated) == (answers[0].card, True)
    assert len(house.card_check.asked) == asked, "a repeat asks no card company"
    with pytest.raises(KeyReused):
        await house.registered.register(member.id, RegistrationWish(details=other), request_key="key")


async def test_p12_somebody_elses_card_cannot_be_registered_nor_told_from_none(house: House) -> None:
    owner, source = await a_member_with_linked_card(house)
    stranger, line = await a_member_with_credit_line(house)
    card, details = await a_registered_card(house, owner)
    wishes: list[tuple[RegistrationWish, type[ObverseError]]] = [
        (RegistrationWish(details=details), CardNotVerified),
        (RegistrationWish(source.id), SourceNotFound),
        (RegistrationWish(SourceId(house.new_id())), SourceNotFound),
        (RegistrationWish(line.id), InvalidRequest),
        (RegistrationWish(), InvalidRequest),
    ]
    for wish, refusal in wishes:
        with pytest.raises(refusal):
            await house.registered.register(stranger.id, wish)
    assert (await found_by(house, details.number))[0] == card


async def test_what_may_not_pay_is_not_registered(house: House) -> None:
    member, source = await a_member_with_linked_card(house)
    house.card_check.answer = CheckResult.REFUSED
    with pytest.raises(CardNotVerified):
        await a_registered_card(house, member)
    await house.wallet.suspend(member.id)
    with pytest.raises(MemberSuspended):
        await house.registered.register(member.id, RegistrationWish(source.id))
    await house.wallet.reinstate(member.id)
    async with house.database.connection() as conn:
        await conn.execute("update vault_cards set exp_year = 2020")
    with pytest.raises(InvalidRequest):
        await house.registered.register(member.id, RegistrationWish(source.id))
    async with house.database.connection() as conn:
        await conn.execute("update funding_sources set state = 'suspended'")
    with pytest.raises(SourceNotActive):
        await house.registered.register(member.id, RegistrationWish(source.id))


@pytest.mark.parametrize("how", ["closed", "unlinked"])
async def test_a_card_that_was_closed_or_unlinked_is_registered_again_by_whoever_proves_it(
    house: House, how: str
) -> None:
    first_owner, _ = await a_member_with_credit_line(house)
    next_owner, _ = await a_member_with_credit_line(house)
    first, details = await a_registered_card(house, first_owner)
    assert first.own_source is not None
    if how == "closed":
        await house.cards.close(first.id, owner=first_owner.id)
        again, _ = await a_registered_card(house, first_owner, details)
        assert again.id != first.id
        assert await found_by(house, details.number) == [again]
        first = again
    await house.wallet.remove(first.own_source)
    (closed,) = await found_by(house, details.number)
    assert (closed.id, closed.state) == (first.id, CardState.CLOSED), "a late reversal still finds it"
    assert await events_of(house, first) == ["card.registered", "card.closed"]

    second, _ = await a_registered_card(house, next_owner, details)

    assert second.member_id == next_owner.id
    assert await found_by(house, details.number) == [second]
    assert (await house.cards.get(first.id)).state is CardState.CLOSED


async def test_removing_and_registering_a_card_at_once_leaves_nothing_in_the_way(house: House) -> None:
    other, _ = await a_member_with_credit_line(house)
    for _ in range(10):
        member, _ = await a_member_with_credit_line(house)
        details = card_details()
        source = await house.wallet.link_card(member.id, details)
        wish = RegistrationWish(source.id)
        outcomes = await asyncio.gather(
            house.registered.register(member.id, wish), house.wallet.remove(source.id), return_exceptions=True
        )
        assert all(not isinstance(o, Exception) or isinstance(o, SourceNotFound) for o in outcomes), outcomes
        taken, _ = await a_registered_card(house, other, details)
        assert await found_by(house, details.number) == [taken]


async def test_a_renewed_card_lives_on_with_its_new_plastic(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    card, details = await a_registered_card(house, member)
    renewed = replace(details, exp_month=3, exp_year=2035)
    again = (await house.registered.register(member.id, RegistrationWish(details=renewed))).card
    assert again == replace(card, expires_at=datetime(2035, 3, 31, 15, tzinfo=UTC))


async def test_a_registered_card_has_a_pin_of_ours(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    card, _ = await a_registered_card(house, member)
    with_pin = await house.pins.set(card.id, PIN, owner=member.id)
    assert (with_pin.pin_hash, with_pin.state) == (pin_hash_of(house.vault, card, PIN.pin), CardState.ACTIVE)
    new = NewPin(Secret("90210"), Secret("90210"))
    with pytest.raises(WrongPin):
        await house.pins.set(card.id, new, old=Secret("0000"), owner=member.id)
    changed = await house.pins.set(card.id, new, old=PIN.pin, owner=member.id)
    assert (changed.pin_hash, changed.pin_failures) == (pin_hash_of(house.vault, card, new.pin), 0)


async def test_every_registered_card_is_found_while_keys_change_under_it(
    house: House, tmp_path: Path
) -> None:
    member, _ = await a_member_with_credit_line(house)
    cards: list[tuple[Card, CardDetails]] = [await a_registered_card(house, member) for _ in range(6)]
    closed, details = cards.pop()
    await house.cards.close(closed.id)
    await a_registered_card(house, member, details)  # leaves the closed one without a number
    # Of the cards' own part first: it takes the numbers from the vault, whatever key they lie under.
    steps = [Rekey(house.vault), VaultCardsRekey(house.vault)]

    other_process, rotated = a_vault_on(tmp_path / "keys.json"), asyncio.Event()

    async def look() -> None:
        while not rotated.is_set():
            for card, typed in cards:
                found = await found_by(house, typed.number, other_process)
                assert [row.id for row in found] == [card.id]

    moved: list[tuple[str, int]] = []

    def report(name: str, done: int, total: int) -> None:
        moved.append((name, done))

    looking = asyncio.create_task(look())
    await rotate(house.database, house.vault, steps, report, batch=2)
    fresh, typed = await a_registered_card(house, member)
    cards.append((fresh, typed))
    rotated.set()
    await looking
    assert ("registered cards", 6) in moved
    await retire(house.database, house.vault, steps)
    assert len(house.vault.number_hashes(typed.number)) == 1
    for card, shown in cards:
        assert [row.id for row in await found_by(house, shown.number)] == [card.id]


async def test_its_points_stay_behind_it_when_it_is_suspended_and_resumed(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    card, _ = await a_registered_card(house, member)
    points = await points_of(house, member)
    assert card.own_source is not None
    ordered = await house.card_funding.set_order(card.id, member.id, [points.id, card.own_source])
    await house.cards.suspend(card.id, owner=member.id)
    assert (await house.cards.resume(card.id, owner=member.id)) == ordered
