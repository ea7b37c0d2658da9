"""Business days: opening, gathering, closing. Gathering reads fee plans where merchants keep them: a million
captures have time for one statement per chunk and nothing else."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from obverse.kit.database import Connection
from obverse.kit.ids import IDS_STRAY, MerchantId, PartitionId, SettlementId, first_id_of
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.settlement.model import Line, Settlement, SettlementState, Totals

_SETTLEMENT: Final = "id, day, cut_off_at, pay_on, state, actions, opened_at, closed_at"

# A later settlement has taken what was left of an earlier day, which is then not opened any more.
OPEN: Final = """
insert into settlements (id, day, cut_off_at, pay_on, state, opened_at)
select $1, $2, $3, $4, 'gathering', $5 where not exists (select from settlements where day > $2)
on conflict (day) do nothing
"""

BY_DAY: Final = f"select {_SETTLEMENT} from settlements where day = $1"

LOAD: Final = f"select {_SETTLEMENT} from settlements where id = any($1::uuid[])"

PAGE: Final = f"""
select {_SETTLEMENT} from settlements where id < coalesce($1, {NEWEST}) order by id desc limit $2
"""

LAST_DAY: Final = "select max(day) from settlements"

LOCK_OLDEST_OPEN: Final = f"""
select {_SETTLEMENT} from settlements where state <> 'closed' order by day limit 1 for update
"""

_TO_SETTLE: Final = (
    "settlement_id is null"
    " and kind in ('capture', 'refund', 'reversal', 'dispute_lost', 'load', 'load_reversal')"
)
"""The very condition of the index `actions_to_settle`."""

COUNT_TO_SETTLE: Final = f"select count(*) from actions where {_TO_SETTLE} and created_at < $1"

OLDEST_TO_SETTLE: Final = f"select created_at from actions where {_TO_SETTLE} order by id limit 1"

_FEE: Final = """
    least({0}.amount_minor, ({0}.amount_minor * m.fee_basis_points + 5000) / 10000 + m.fee_fixed_minor)
"""
"""`merchants.rules.fee_minor` in SQL; a test holds the two together."""

# The cursor passes over what was settled before without looking at it: index entries of settled actions stay
# until the next vacuum. A reversal gives back what was kept of each capture of its payment, whether that was
# settled on an earlier day or is in this very chunk. The programme's own merchants are owed nothing: their
# actions are only taken out of the way. Nothing that was made long after the cut-off is looked at: where many
# days are settled in one go, each would go through all that come after it.
GATHER: Final = f"""
with taken as materialized (
    select a.partition_id, a.id, m.payout_rhythm <> 'never' as is_owed, case
        when m.payout_rhythm = 'never' then 0
        when kind = 'capture' then {_FEE.format("a")}
        when kind = 'reversal' then -(
            select coalesce(sum(coalesce(c.fee_minor, {_FEE.format("c")})), 0)::bigint from actions as c
            where c.authorization_id = a.authorization_id and c.partition_id = a.partition_id
                and c.kind = 'capture')
        else 0 end as fee_minor
    from actions as a join merchants as m on m.id = a.merchant_id
    where {_TO_SETTLE} and a.created_at < (select cut_off_at from settlements where id = $1)
        and a.id > (select gathered_to from settlements where id = $1) and a.id < $3
    order by a.id limit $2
    for update of a
), marked as (
    update actions set settlement_id = $1, fee_minor = taken.fee_minor from taken
    where actions.id = taken.id and actions.partition_id = taken.partition_id
    returning actions.id, actions.partition_id, actions.merchant_id, actions.kind, actions.amount_minor,
        actions.fee_minor, taken.is_owed
), added as (
    insert into settlement_lines as line (settlement_id, merchant_id, partition_id, captured_minor,
        refunded_minor, reversed_minor, charged_back_minor, fees_minor, actions, loaded_minor)
    select $1, merchant_id, partition_id,
        coalesce(sum(amount_minor) filter (where kind = 'capture'), 0),
        coalesce(sum(amount_minor) filter (where kind = 'refund'), 0),
        coalesce(sum(amount_minor) filter (where kind = 'reversal'), 0),
        coalesce(sum(amount_minor) filter (where kind = 'dispute_lost'), 0),
        sum(fee_minor), count(*),
        coalesce(sum(case kind when 'load' then amount_minor else -amount_minor end)
            filter (where kind in ('load', 'load_reversal')), 0)
    from marked where is_owed group by merchant_id, partition_id
    on conflict (settlement_id, merchant_id, partition_id) do update set
        captured_minor = line.captured_minor + excluded.captured_minor,
        refunded_minor = line.refunded_minor + excluded.refunded_minor,
        reversed_minor = line.reversed_minor + excluded.reversed_minor,
        charged_back_minor = line.charged_back_minor + excluded.charged_back_minor,
        fees_minor = line.fees_minor + excluded.fees_minor,
        actions = line.actions + excluded.actions,
        loaded_minor = line.loaded_minor + excluded.loaded_minor
)
update settlements set
    actions = actions + (select count(*) from marked),
    gathered_to = coalesce((select id from marked order by id desc limit 1), gathered_to),
    state = case when (select count(*) from marked) < $2 then 'closing' else state end
where id = $1 returning {_SETTLEMENT}
"""

# Those with a line in it, and those who are still owed something from before.
DUE: Final = """
with position as (select closed_to from settlements where id = $1), found as (
    (select distinct merchant_id from settlement_lines
     where settlement_id = $1 and merchant_id > (select closed_to from position)
     order by merchant_id limit $2)
    union
    (select merchant_id from settlement_balances
     where owed_minor > 0 and merchant_id > (select closed_to from position)
     order by merchant_id limit $2)
)
select merchant_id, coalesce(owed_minor, 0) as owed_minor
from found left join settlement_balances using (merchant_id) order by merchant_id limit $2
"""

LINES: Final = """
select merchant_id, partition_id, captured_minor, refunded_minor, reversed_minor, charged_back_minor,
    fees_minor, actions, loaded_minor
from settlement_lines where settlement_id = $1 and merchant_id = any($2::uuid[])
order by merchant_id, partition_id
"""

CLOSE: Final = f"""
update settlements set closed_to = coalesce($2, closed_to), state = $3, closed_at = $4
where id = $1 returning {_SETTLEMENT}
"""

_PATIENCE_S: Final = 120
"""For statements that touch many rows; the pool's own limit is made for payments."""


async def open_day(conn: Connection, settlement: Settlement) -> Settlement | None:
    """Store a new settlement; the one that is there if its day has one; None if a later day has."""
    await conn.execute(
        OPEN,
        settlement.id,
        settlement.day,
        settlement.cut_off_at,
        settlement.pay_on,
        settlement.opened_at,
    )
    row = await conn.fetchrow(BY_DAY, settlement.day)
    return _settlement(row) if row else None


async def load(conn: Connection, ids: Sequence[SettlementId]) -> dict[SettlementId, Settlement]:
    """The settlements with these ids. Unknown ids are simply absent."""
    return {found.id: found for found in map(_settlement, await conn.fetch(LOAD, ids))}


async def find_page(conn: Connection, page: PageRequest) -> Page[Settlement]:
    """All settlements, newest first."""
    rows = await conn.fetch(PAGE, page.after, page.limit + 1)
    return cut([_settlement(row) for row in rows], page, lambda settlement: settlement.id)


async def last_day(conn: Connection) -> date | None:
    """The latest day that has a settlement."""
    day: date | None = await conn.fetchval(LAST_DAY)
    return day


async def lock_oldest_open(conn: Connection) -> Settlement | None:
    """The oldest settlement that is not closed, held until the commit: whoever works at it takes turns."""
    row = await conn.fetchrow(LOCK_OLDEST_OPEN, timeout=_PATIENCE_S)
    return _settlement(row) if row else None


async def count_to_settle(conn: Connection, cut_off_at: datetime) -> int:
    """How many actions of before the cut-off are in no settlement yet."""
    return int(await conn.fetchval(COUNT_TO_SETTLE, cut_off_at, timeout=_PATIENCE_S))


async def oldest_to_settle(conn: Connection) -> datetime | None:
    """When the oldest action that is in no settlement yet was created."""
    created_at: datetime | None = await conn.fetchval(OLDEST_TO_SETTLE)
    return created_at


async def gather(conn: Connection, settlement: Settlement, limit: int) -> Settlement:
    """Take up to `limit` actions into a settlement that the caller holds; with fewer left it is `closing`."""
    below = first_id_of(settlement.cut_off_at + IDS_STRAY)
    return _settlement(await conn.fetchrow(GATHER, settlement.id, limit, below, timeout=_PATIENCE_S))


async def due(conn: Connection, settlement_id: SettlementId, limit: int) -> dict[MerchantId, int]:
    """The next merchants to be closed, in id order, each with what its last statement carried."""
    rows = await conn.fetch(DUE, settlement_id, limit, timeout=_PATIENCE_S)
    return {MerchantId(row["merchant_id"]): row["owed_minor"] for row in rows}


async def lines(
    conn: Connection, settlement_id: SettlementId, merchant_ids: Sequence[MerchantId]
) -> list[Line]:
    """What was gathered for these merchants, per partition."""
    rows = await conn.fetch(LINES, settlement_id, merchant_ids)
    return [Line(MerchantId(row[0]), PartitionId(row[1]), Totals(*row[2:])) for row in rows]


async def move_on(
    conn: Connection, settlement: Settlement, closed_to: MerchantId | None, closed_at: datetime | None
) -> Settlement:
    """Say how far closing has come; with `closed_at`, that it is done."""
    state = SettlementState.CLOSING if closed_at is None else SettlementState.CLOSED
    return _settlement(await conn.fetchrow(CLOSE, settlement.id, closed_to, state, closed_at))


def _settlement(row: Any) -> Settlement:
    id_, day, cut_off_at, pay_on, state, actions, opened_at, closed_at = row
    return Settlement(
        SettlementId(id_), day, cut_off_at, pay_on, SettlementState(state), actions, opened_at, closed_at
    )
