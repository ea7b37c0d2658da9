"""What claiming needs of the engine."""

from collections.abc import Sequence
from typing import Protocol

from obverse.authorization.model import Authorization
from obverse.kit.ids import AuthorizationId, PartitionId
from obverse.kit.secret import Secret


class ClaimedPayments(Protocol):
    """Payments, as far as claims reach. Every method may raise `Unavailable`."""

    async def find_claimed(self, claims: Sequence[tuple[Secret, str]]) -> list[Authorization | None]:
        """The payment behind each number and approval code, or None where the two do not go together.

        Without their legs.
        """
        ...

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
        """Capture once per `key`. Raises the engine's refusals."""
        ...

    async def refund(
        self,
        id_: AuthorizationId,
        amount_minor: int | None = None,
        *,
        key: str | None = None,
        partition_id: PartitionId | None = None,
    ) -> Authorization:
        """Give back once per `key`. Raises the engine's refusals."""
        ...
