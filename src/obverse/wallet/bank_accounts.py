"""Members' bank accounts: proved by a transfer of one won whose text carries a code (WA-5)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Final

import asyncpg
from msgspec.structs import replace

from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.events import Event
from obverse.kit.ids import BankTransferId, EventId, MemberId, NewId, SourceId, to_text
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.resealing import Resealing
from obverse.kit.secret import Secret
from obverse.ledger.model import AccountKind
from obverse.ledger.rules import house_account
from obverse.members.model import Member
from obverse.members.service import Members
from obverse.treasury import BankAccount, TransferOrder, Treasury
from obverse.treasury.rules import check_bank_account
from obverse.vault.service import Vault
from obverse.wallet import repository as sources
from obverse.wallet.errors import (
    BankAccountLinked,
    BankAccountNotFound,
    BankAccountNotProvable,
    BankCodeWrong,
    TooManyBankAccounts,
)
from obverse.wallet.model import BankAccountState, LinkedAccount, Source, SourceKind, SourceState
from obverse.wallet.repository import bank_accounts as repository

PROVE_WITHIN: Final = timedelta(days=3)
"""How long a code is good: a transfer takes its time."""
TRIES_MAX: Final = 5
LINKS_A_DAY_MAX: Final = 5
_CODE_DIGITS: Final = 6
_DAY: Final = timedelta(days=1)


class BankAccounts:
    """Bank accounts in wallets: cards are charged from them; they do not pay by themselves."""

    def __init__(
        self,
        database: Database,
        members: Members,
        treasury: Treasury,
        vault: Vault,
        *,
        clock: Clock,
        new_id: NewId,
        random_bytes: Callable[[int], bytes],
        currency: CurrencyCode,
    ) -> None:
        self._database = database
        self._members = members
        self._treasury = treasury
        self._vault = vault
        self._clock = clock
        self._new_id = new_id
        self._random_bytes = random_bytes
        self._currency = currency

    async def link(self, member_id: MemberId, account: BankAccount) -> LinkedAccount:
        """Send one won with a code to an account, which is the member's who reads it on its statement.

        An account that waits to be proved is begun anew, with another code.
        Raises `InvalidRequest`, `MemberNotFound`, `MemberSuspended`, `BankAccountLinked`,
        `TooManyBankAccounts`.
        """
        check_bank_account(account)
        now = self._clock.now()
        try:
            async with self._database.transaction() as conn:
                member = await self._members.in_good_standing(conn, member_id)
                return await self._begin(conn, member, account, now)
        except asyncpg.UniqueViolationError:
            raise BankAccountLinked from None

    async def _begin(
        self, conn: Connection, member: Member, account: BankAccount, now: datetime
    ) -> LinkedAccount:
        await self._vault.pin_keys(conn)
        account_hash = self._vault.token_hash(Secret(f"{account.bank_code}|{account.number.reveal()}"))
        earlier = await repository.lock_alive(conn, member.id, account_hash)
        if earlier is not None and earlier.state is BankAccountState.PROVED:
            raise BankAccountLinked
        if await repository.count_since(conn, member.id, now - _DAY) >= LINKS_A_DAY_MAX:
            raise TooManyBankAccounts
        if earlier is not None:
            await repository.save(conn, replace(earlier, state=BankAccountState.ENDED))
        id_ = SourceId(self._new_id())
        code = f"{int.from_bytes(self._random_bytes(8), 'big') % 10**_CODE_DIGITS:0{_CODE_DIGITS}d}"
        linked = LinkedAccount(
            id=id_,
            partition_id=member.partition_id,
            member_id=member.id,
            bank_code=account.bank_code,
            last_four=account.last_four,
            holder=account.holder,
            transfer_id=BankTransferId(self._new_id()),
            code_hash=self._code_hash(id_, code),
            tries=0,
            state=BankAccountState.PENDING,
            expires_at=now + PROVE_WITHIN,
            created_at=now,
        )
        number = self._vault.seal(account.number, account_context(id_))
        await repository.insert(conn, linked, account_hash, number)
        await self._treasury.order(conn, [self._one_won(linked, account, code)])
        return linked

    def _one_won(self, linked: LinkedAccount, account: BankAccount, code: str) -> TransferOrder:
        given = house_account(AccountKind.GIVEN_VALUE, linked.partition_id, self._currency)
        return TransferOrder(
            id=linked.transfer_id,
            partition_id=linked.partition_id,
            amount=Money(1, self._currency),
            to=account,
            reference=f"Obverse code {code}",
            subject_id=linked.id,
            debit_account_id=given.id,
        )

    async def prove(self, member_id: MemberId, id_: SourceId, code: Secret) -> LinkedAccount:
        """Take the code that the member has read; from then on the account is a funding source of theirs.

        The right code again changes nothing. Raises `BankAccountNotFound`, `BankAccountNotProvable`,
        `BankCodeWrong`, `MemberSuspended`.
        """
        async with self._database.transaction() as conn:
            member = await self._members.in_good_standing(conn, member_id)
            linked = (await repository.lock(conn, [id_])).get(id_)
            if linked is None or linked.member_id != member_id:
                raise BankAccountNotFound
            right = compare_digest(self._code_hash(id_, code.reveal()), linked.code_hash)
            if linked.state is BankAccountState.PROVED and right:
                return linked
            if linked.state is not BankAccountState.PENDING or linked.expires_at <= self._clock.now():
                raise BankAccountNotProvable
            linked = self._after_try(linked, right=right)
            await repository.save(conn, linked)
            if right:
                await self._become_source(conn, member, linked)
        # Only now: a wrong code has to be counted.
        if not right:
            raise BankCodeWrong
        return linked

    def _after_try(self, linked: LinkedAccount, *, right: bool) -> LinkedAccount:
        if right:
            return replace(linked, state=BankAccountState.PROVED)
        tries = linked.tries + 1
        state = BankAccountState.ENDED if tries >= TRIES_MAX else linked.state
        return replace(linked, tries=tries, state=state)

    async def _become_source(self, conn: Connection, member: Member, linked: LinkedAccount) -> None:
        now = self._clock.now()
        source = Source(
            id=linked.id,
            partition_id=member.partition_id,
            member_id=member.id,
            kind=SourceKind.BANK_ACCOUNT,
            currency=self._currency,
            account_id=None,
            vault_card_id=None,
            state=SourceState.ACTIVE,
            created_at=now,
        )
        await sources.insert_sources(conn, [source])
        data = {"member": to_text("mem", member.id)}
        await events.append(conn, [Event(EventId(self._new_id()), "source.linked", linked.id, data, now)])

    async def get(self, member_id: MemberId, id_: SourceId) -> LinkedAccount:
        """Raises `BankAccountNotFound`."""
        async with self._database.connection() as conn:
            linked = (await repository.load(conn, [id_])).get(id_)
        if linked is None or linked.member_id != member_id:
            raise BankAccountNotFound
        return linked

    async def list(self, member_id: MemberId) -> Sequence[LinkedAccount]:
        """What a member has linked or is about to, oldest first."""
        async with self._database.connection() as conn:
            return await repository.of_member(conn, member_id)

    async def remove(self, member_id: MemberId, id_: SourceId) -> LinkedAccount:
        """Take an account out of the wallet: no charge begins from it any more, and one that has begun goes
        on, so its number is kept, sealed. Removing it twice is fine. Raises `BankAccountNotFound`."""
        async with self._database.transaction() as conn:
            # Sources before what hangs on them, like everywhere.
            await sources.lock_sources(conn, [id_])
            linked = (await repository.lock(conn, [id_])).get(id_)
            if linked is None or linked.member_id != member_id:
                raise BankAccountNotFound
            if linked.state is BankAccountState.PENDING:
                linked = replace(linked, state=BankAccountState.ENDED)
            elif linked.state is BankAccountState.PROVED:
                linked = replace(linked, state=BankAccountState.REMOVED)
                await sources.set_state(conn, [id_], SourceState.REMOVED)
            await repository.save(conn, linked)
        return linked

    async def opened(self, conn: Connection, ids: Iterable[SourceId]) -> Mapping[SourceId, BankAccount]:
        """The accounts behind these sources, for the wire to the bank."""
        return {
            id_: BankAccount(bank_code, self._vault.open(sealed, account_context(id_)), holder)
            for id_, (bank_code, sealed, holder) in (await repository.numbers(conn, ids)).items()
        }

    async def sweep(self) -> None:
        """Forget accounts that were not proved in time: the chore."""
        async with self._database.transaction() as conn:
            await repository.end_expired(conn, self._clock.now())

    def _code_hash(self, id_: SourceId, code: str) -> bytes:
        return self._vault.token_hash(Secret(f"bank_code:{id_}:{code}"))


def bank_accounts_rekey(vault: Vault) -> Resealing[SourceId]:
    """Numbers of linked accounts follow when keys change."""
    return Resealing("linked bank accounts", vault, repository, account_context)


def account_context(id_: SourceId) -> bytes:
    """What binds a sealed number to its row."""
    return f"wallet_bank_account:{id_}".encode()
