"""The SQL of legs, which are stored and changed with their payments."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg

from obverse.authorization.model import Leg, LegStatus
from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import AuthorizationId, PartitionId
from obverse.points.model import Rate
from obverse.wallet.model import SourceKind

_LEG_COLUMNS: Final = """
    authorization_id, position, source_id, kind, amount_minor, status, debit_account_id, credit_account_id,
    transfer_id, network_ref, response_code, network_approval, captured_minor, released_minor, refunded_minor,
    disputed_minor, dispute_hold_id, units, rate_numerator, rate_denominator, units_back
"""

LEGS: Final = f"""
select {_LEG_COLUMNS} from legs
where partition_id = any($1) and authorization_id = any($2) order by authorization_id, position
"""

OPENED_LEGS: Final = Table(
    "legs",
    {
        "partition_id": "smallint",
        "authorization_id": "uuid",
        "position": "smallint",
        "source_id": "uuid",
        "kind": "text",
        "amount_minor": "bigint",
        "status": "text",
        "debit_account_id": "uuid",
        "credit_account_id": "uuid",
        "transfer_id": "uuid",
        "network_ref": "text",
        "captured_minor": "bigint",
        "released_minor": "bigint",
        "refunded_minor": "bigint",
        "units": "bigint",
        "rate_numerator": "bigint",
        "rate_denominator": "bigint",
        "units_back": "bigint",
    },
)

UPDATE_LEGS: Final = """
update legs set status = new.status, transfer_id = new.transfer_id, response_code = new.response_code,
    network_approval = new.network_approval, captured_minor = new.captured_minor,
    released_minor = new.released_minor, refunded_minor = new.refunded_minor,
    disputed_minor = new.disputed_minor, dispute_hold_id = new.dispute_hold_id, units_back = new.units_back
from unnest($2::uuid[], $3::smallint[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::bigint[],
        $9::bigint[], $10::bigint[], $11::bigint[], $12::uuid[], $13::bigint[])
    as new (authorization_id, position, status, transfer_id, response_code, network_approval, captured_minor,
        released_minor, refunded_minor, disputed_minor, dispute_hold_id, units_back)
where legs.partition_id = $1 and legs.authorization_id = new.authorization_id
    and legs.position = new.position
"""


async def load_legs(
    conn: Connection, partition_ids: Sequence[PartitionId], ids: Sequence[AuthorizationId]
) -> Mapping[AuthorizationId, Sequence[Leg]]:
    """The legs of these payments, each in the order in which they pay; none for one that has none."""
    legs: Mapping[AuthorizationId, list[Leg]] = defaultdict(list)
    for row in await conn.fetch(LEGS, partition_ids, ids):
        legs[row["authorization_id"]].append(_leg(row))
    return legs


async def insert_legs(
    conn: Connection, partition_id: PartitionId, legs: Sequence[tuple[AuthorizationId, Leg]]
) -> None:
    """Store the legs of new payments."""
    await insert_rows(conn, OPENED_LEGS, [_leg_row(partition_id, id_, leg) for id_, leg in legs])


async def update_legs(
    conn: Connection, partition_id: PartitionId, legs: Sequence[tuple[AuthorizationId, Leg]]
) -> None:
    """Store what may change of legs; the caller holds their payments' locks."""
    if legs:
        await conn.execute(
            UPDATE_LEGS,
            partition_id,
            [id_ for id_, _ in legs],
            [leg.position for _, leg in legs],
            [leg.status for _, leg in legs],
            [leg.transfer_id for _, leg in legs],
            [leg.response_code for _, leg in legs],
            [leg.network_approval for _, leg in legs],
            [leg.captured_minor for _, leg in legs],
            [leg.released_minor for _, leg in legs],
            [leg.refunded_minor for _, leg in legs],
            [leg.disputed_minor for _, leg in legs],
            [leg.dispute_hold_id for _, leg in legs],
            [leg.units_back for _, leg in legs],
        )


def _leg_row(partition_id: PartitionId, authorization_id: AuthorizationId, leg: Leg) -> tuple[object, ...]:
    return (
        partition_id,
        authorization_id,
        leg.position,
        leg.source_id,
        leg.kind,
        leg.amount_minor,
        leg.status,
        leg.debit_account_id,
        leg.credit_account_id,
        leg.transfer_id,
        leg.network_ref,
        leg.captured_minor,
        leg.released_minor,
        leg.refunded_minor,
        leg.units,
        leg.rate.numerator if leg.rate is not None else None,
        leg.rate.denominator if leg.rate is not None else None,
        leg.units_back,
    )


def _leg(row: asyncpg.Record) -> Leg:
    return Leg(
        position=row["position"],
        source_id=row["source_id"],
        kind=SourceKind(row["kind"]),
        amount_minor=row["amount_minor"],
        status=LegStatus(row["status"]),
        debit_account_id=row["debit_account_id"],
        credit_account_id=row["credit_account_id"],
        transfer_id=row["transfer_id"],
        network_ref=row["network_ref"],
        response_code=row["response_code"],
        network_approval=row["network_approval"],
        captured_minor=row["captured_minor"],
        released_minor=row["released_minor"],
        refunded_minor=row["refunded_minor"],
        disputed_minor=row["disputed_minor"],
        dispute_hold_id=row["dispute_hold_id"],
        units=row["units"],
        rate=Rate(row["rate_numerator"], row["rate_denominator"]) if row["units"] is not None else None,
        units_back=row["units_back"],
    )
