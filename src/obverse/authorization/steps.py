"""What merchants, members, operators and time do to a payment after its approval, as commands."""

import asyncio
from collections.abc import Sequence

from obverse.authorization import repository
from obverse.authorization.commands import (
    ByKey,
    Capture,
    CloseDispute,
    Expire,
    OpenDispute,
    Refund,
    Release,
    Reverse,
)
from obverse.authorization.core import Core
from obverse.authorization.model import Authorization
from obverse.authorization.repository import Claimed
from obverse.kit.ids import AuthorizationId, PartitionId
from obverse.kit.money import Money
from obverse.kit.secret import Secret


class Steps(Core):
    """Every step after an approval; `actions.py` decides them. Each may be repeated with its key."""

    async def cancel(self, id_: AuthorizationId, *, key: str | None = None) -> Authorization:
        """Undo a payment by its id, in whatever state. Raises `NotFound`, `Unavailable`, and `KeyReused`
        where the key was another step's."""
        return await self._submit(id_, Reverse(id_, key))

    async def capture(
        self,
        id_: AuthorizationId,
        amount_minor: int | None = None,
        *,
        key: str | None = None,
        final: bool = False,
        late: bool = False,
        partition_id: PartitionId | None = None,
    ) -> Authorization:
        """Claim an approved payment, in whole or part by part up to what was authorized.

        `final` releases what is open after it. `late` is the operator's word that an expired payment is to be
        captured after all. `partition_id` saves a question to whoever knows it, as in all that follows.

        Raises `NotFound`, `NotCapturable`, `AlreadyCaptured`, `CaptureTooLarge`, `AuthorizationExpired`,
        `KeyReused`, `Unavailable`.
        """
        command = Capture(id_, amount_minor, self._key(key), final, late)
        return await self._submit(id_, command, partition_id)

    async def release(
        self,
        id_: AuthorizationId,
        amount_minor: int | None = None,
        *,
        key: str | None = None,
        partition_id: PartitionId | None = None,
    ) -> Authorization:
        """Give up (part of) what is held and not captured.

        Raises `NotFound`, `NothingToRelease`, `ReleaseTooLarge`, `KeyReused`, `Unavailable`.
        """
        return await self._submit(id_, Release(id_, amount_minor, self._key(key)), partition_id)

    async def refund(
        self,
        id_: AuthorizationId,
        amount_minor: int | None = None,
        *,
        key: str | None = None,
        partition_id: PartitionId | None = None,
    ) -> Authorization:
        """Give back (part of) what was captured, to the legs it came from, the last one first (PF-6, P16).

        Raises `NotFound`, `NotRefundable`, `RefundTooLarge`, `KeyReused`, `Unavailable`.
        """
        return await self._submit(id_, Refund(id_, amount_minor, self._key(key)), partition_id)

    async def capture_by_key(
        self, request_key: str, number: Secret, amount: Money | None = None, *, key: str | None = None
    ) -> Authorization:
        """Complete a payment known by its request key, made with this number; the rest is released."""
        payment = self._by_key(request_key, number, amount)
        command = Capture(payment, _minor(amount), self._key(key), final=True)
        return await self._batchers[await self._home_of(number)].submit(command)

    async def release_by_key(
        self, request_key: str, number: Secret, amount: Money | None = None, *, key: str | None = None
    ) -> Authorization:
        """As `release`, for a payment known by its request key, made with this number."""
        payment = self._by_key(request_key, number, amount)
        command = Release(payment, _minor(amount), self._key(key))
        return await self._batchers[await self._home_of(number)].submit(command)

    async def refund_by_key(
        self, request_key: str, number: Secret, amount: Money | None = None, *, key: str | None = None
    ) -> Authorization:
        """As `refund`, for a payment known by its request key, made with this number."""
        payment = self._by_key(request_key, number, amount)
        command = Refund(payment, _minor(amount), self._key(key))
        return await self._batchers[await self._home_of(number)].submit(command)

    async def open_dispute(self, id_: AuthorizationId, amount_minor: int, *, key: str) -> Authorization:
        """Credit the member provisionally, without letting them spend it; one dispute at a time.

        Raises `NotFound`, `NotRefundable`, `RefundTooLarge`, `KeyReused`, `Unavailable`.
        """
        return await self._submit(id_, OpenDispute(id_, amount_minor, key))

    async def close_dispute(
        self, id_: AuthorizationId, amount_minor: int, *, key: str, merchant_pays: bool
    ) -> Authorization:
        """End the open dispute, which is about this amount: the merchant pays, or the member does after all.

        Raises `NotFound`, `NotDisputed`, `KeyReused`, `Unavailable`.
        """
        return await self._submit(id_, CloseDispute(id_, amount_minor, key, merchant_pays))

    async def find_claimed(self, claims: Sequence[tuple[Secret, str]]) -> list[Authorization | None]:
        """The payments that were made with these numbers and given these approval codes (OT-16).

        In the order of the claims, with None where number and code do not go together; without their legs.
        """
        found = await self._find_claimed(claims)
        if len(found) < len(claims) and self._vault.reload_if_changed():
            found = await self._find_claimed(claims)
        return [found.get(position) for position in range(len(claims))]

    async def _find_claimed(self, claims: Sequence[tuple[Secret, str]]) -> dict[int, Authorization]:
        numbers: list[Claimed] = []
        codes: list[Claimed] = []
        real_numbers: list[Claimed] = []
        for position, (number, approval_code) in enumerate(claims):
            home = self._home_told_by(number)
            if (code_hash := self._code_hash(number)) is not None:
                codes.append(Claimed(position, home, code_hash, approval_code))
                continue
            asked = real_numbers if home is None else numbers
            asked += [Claimed(position, home, h, approval_code) for h in self._number_hashes(number)]
        async with self._database.connection() as conn:
            return await repository.find_claimed(conn, numbers, codes, real_numbers)

    async def expire(self, limit: int = 500) -> int:
        """Release what is held since longer than the hold lasts. Returns how many payments that were."""
        approved_before = self._clock.now() - self._settings.hold
        expired = 0
        for partition_id in self._partitions:
            async with self._database.connection() as conn:
                ids = await repository.find_uncaptured(conn, partition_id, approved_before, limit)
            batcher = self._batchers[partition_id]
            await asyncio.gather(*[batcher.submit(Expire(id_)) for id_ in ids])
            expired += len(ids)
        return expired

    def _by_key(self, request_key: str, number: Secret, amount: Money | None) -> ByKey:
        return ByKey(request_key, self._shown(number), None if amount is None else amount.currency)

    def _key(self, key: str | None) -> str:
        """A step without a key of its own is a new one each time."""
        return key or f"step:{self._makers.new_id()}"


def _minor(amount: Money | None) -> int | None:
    return None if amount is None else amount.amount_minor
