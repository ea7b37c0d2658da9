"""Payments as merchants claim them: by what was shown at the till, and the approval code (OT-16)."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from obverse.authorization.model import Authorization
from obverse.authorization.repository.payments import BY_IDS, without_legs
from obverse.kit.database import Connection
from obverse.kit.ids import PartitionId

# Look-ups in unique indexes per claim, whatever the planner believes; see `payments.BY_KEY`.
_ASKED: Final = """
select asked.position, asked.partition_id, found.id
from unnest($1::int[], $2::smallint[], $3::bytea[], $4::text[])
    as asked (position, partition_id, hash, approval_code)
"""

_OF_CARD: Final = """
cross join lateral (
    select id, partition_id from authorizations
    where partition_id = card.partition_id and card_id = card.id and approval_code = asked.approval_code
    limit 1
) as found
"""

BY_NUMBER: Final = f"""
{_ASKED}
cross join lateral (
    select id, partition_id from cards where partition_id = asked.partition_id and number_hash = asked.hash
    limit 1
) as card
{_OF_CARD}
"""

BY_CODE: Final = f"""
{_ASKED}
cross join lateral (
    select used_by from payment_codes where partition_id = asked.partition_id and code_hash = asked.hash
    limit 1
) as code
cross join lateral (
    select id from authorizations
    where id = code.used_by and partition_id = asked.partition_id and approval_code = asked.approval_code
    limit 1
) as found
"""

# By way of the real card: it may have been closed and registered again since, in another partition too.
BY_REAL_NUMBER: Final = f"""
select asked.position, found.partition_id, found.id
from unnest($1::int[], $2::bytea[], $3::text[]) as asked (position, hash, approval_code)
cross join lateral (select id from vault_cards where fingerprint = asked.hash limit 1) as real
cross join lateral (select id, partition_id from cards where vault_card_id = real.id offset 0) as card
{_OF_CARD}
"""


class Claimed(NamedTuple):
    """What a claim says of its payment: a hash of what was shown, and where that is kept, if it tells."""

    position: int
    """The caller's, by which it finds the answer."""
    partition_id: PartitionId | None
    hash: bytes
    approval_code: str


async def find_claimed(
    conn: Connection,
    numbers: Sequence[Claimed] = (),
    codes: Sequence[Claimed] = (),
    real_numbers: Sequence[Claimed] = (),
) -> dict[int, Authorization]:
    """The payments that were made with these numbers of ours, payment codes and real numbers, by position.

    Without those not found. They come without their legs, in which no claim takes an interest.
    """
    rows = []
    if numbers:
        rows += await conn.fetch(BY_NUMBER, *zip(*numbers, strict=True))
    if codes:
        rows += await conn.fetch(BY_CODE, *zip(*codes, strict=True))
    if real_numbers:
        positions, _, hashes, approval_codes = zip(*real_numbers, strict=True)
        rows += await conn.fetch(BY_REAL_NUMBER, positions, hashes, approval_codes)
    if not rows:
        return {}
    partitions, ids = {row["partition_id"] for row in rows}, {row["id"] for row in rows}
    found = await conn.fetch(BY_IDS, list(partitions), list(ids))
    by_id = {payment.id: payment for payment in map(without_legs, found)}
    return {row["position"]: by_id[row["id"]] for row in rows}
