"""Points rules and movements in the database, and the steps of payments that move points."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from obverse.accrual.model import MovementKind, PointsMovement, PointsRule, RuleTerms, Step
from obverse.authorization.model import ActionKind
from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import (
    AuthorizationId,
    CardId,
    MemberId,
    PartitionId,
    PointsRuleId,
    SourceId,
)
from obverse.kit.paging import NEWEST, Page, PageRequest, cut

_RULE: Final = """
    id, programme_id, merchant_id, basis_points, amount_min_minor, validity_months, starts_at, ends_at
"""

INSERT_RULE: Final = f"""
insert into points_rules ({_RULE}, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $7)
"""

LOCK_RULE: Final = f"select {_RULE} from points_rules where id = $1 for update"

END_RULE: Final = "update points_rules set ends_at = $2 where id = $1"

ANY_RULE: Final = "select exists (select from points_rules)"

RULES: Final = f"select {_RULE} from points_rules order by id"

RULES_PAGE: Final = f"""
select {_RULE} from points_rules where id < coalesce($1, {NEWEST}) order by id desc limit $2
"""

# Every step of a payment, with the points that it has moved already: what a refund takes back depends on all
# before it. Only cards of a programme earn, once they have a member (PP-12); loads never do: they are other
# kinds of actions.
_STEPS: Final = """
select a.id, a.partition_id, a.authorization_id, a.kind, c.member_id, c.programme_id, a.merchant_id, a.parts,
    array(select l.kind from legs as l where l.authorization_id = a.authorization_id
        and l.partition_id = a.partition_id order by l.position) as kinds,
    a.created_at, m.points
from {asked}
join actions as a on (a.authorization_id, a.partition_id) = (p.id, p.partition_id)
join cards as c on (c.id, c.partition_id) = (p.card_id, p.partition_id)
left join points_movements as m on (m.action_id, m.partition_id) = (a.id, a.partition_id)
where a.kind in ('capture', 'refund', 'reversal', 'dispute_lost') and c.programme_id is not null
    and c.member_id is not null
order by a.id
"""

STEPS_OF_PAYMENTS: Final = _STEPS.format(
    asked="unnest($1::uuid[]) as asked (id) join authorizations as p on p.id = asked.id"
)

STEPS_OF_CARDS: Final = _STEPS.format(
    asked="unnest($1::uuid[]) as asked (id) join authorizations as p on p.card_id = asked.id"
)

OWED: Final = """
select member_id, sum(owed)::bigint as owed from points_movements where member_id = any($1::uuid[])
group by 1 having sum(owed) > 0
"""

# A member's points lie in the member's own partition, wherever a card that was a gift may lie.
POINTS_SOURCES: Final = """
select m.id as member_id, m.partition_id, s.id
from members as m left join funding_sources as s
    on s.member_id = m.id and s.kind = 'points' and s.currency = $2 and s.state <> 'removed'
where m.id = any($1::uuid[])
"""

MOVEMENTS: Final = Table(
    "points_movements",
    {
        "action_id": "uuid",
        "partition_id": "smallint",
        "authorization_id": "uuid",
        "member_id": "uuid",
        "kind": "text",
        "rule_id": "uuid",
        "points": "bigint",
        "owed": "bigint",
        "created_at": "timestamptz",
    },
)

_MOVEMENT: Final = ", ".join(MOVEMENTS.columns)

PAGE: Final = f"""
select {_MOVEMENT} from points_movements where member_id = $1 and action_id < coalesce($2, {NEWEST})
order by action_id desc limit $3
"""


async def insert_rule(conn: Connection, rule: PointsRule) -> None:
    terms = rule.terms
    await conn.execute(
        INSERT_RULE,
        rule.id,
        terms.programme_id,
        terms.merchant_id,
        terms.basis_points,
        terms.amount_min_minor,
        terms.validity_months,
        rule.starts_at,
        rule.ends_at,
    )


async def lock_rule(conn: Connection, id_: PointsRuleId) -> PointsRule | None:
    row = await conn.fetchrow(LOCK_RULE, id_)
    return _rule(row) if row else None


async def end_rule(conn: Connection, id_: PointsRuleId, ends_at: datetime) -> None:
    await conn.execute(END_RULE, id_, ends_at)


async def any_rule(conn: Connection) -> bool:
    """Whether there ever was a rule."""
    found: bool = await conn.fetchval(ANY_RULE)
    return found


async def rules(conn: Connection) -> list[PointsRule]:
    """Every rule there ever was: what was captured before a rule ended earns by it still."""
    return [_rule(row) for row in await conn.fetch(RULES)]


async def find_rules(conn: Connection, page: PageRequest) -> Page[PointsRule]:
    rows = await conn.fetch(RULES_PAGE, page.after, page.limit + 1)
    return cut([_rule(row) for row in rows], page, lambda rule: rule.id)


async def steps_of_payments(conn: Connection, ids: Sequence[AuthorizationId]) -> list[Step]:
    """Everything that was done to these payments, oldest first."""
    return [_step(row) for row in await conn.fetch(STEPS_OF_PAYMENTS, ids)]


async def steps_of_cards(conn: Connection, ids: Sequence[CardId]) -> list[Step]:
    """The same for all payments of these cards, which have got a member."""
    return [_step(row) for row in await conn.fetch(STEPS_OF_CARDS, ids)]


async def owed(conn: Connection, members: Sequence[MemberId]) -> dict[MemberId, int]:
    """What could not be taken back from these members and was not made good since."""
    return {row["member_id"]: row["owed"] for row in await conn.fetch(OWED, members)}


async def sources(
    conn: Connection, members: Sequence[MemberId], currency: str
) -> dict[MemberId, tuple[PartitionId, SourceId | None]]:
    """Where these members' points lie: the partition, and the source of those who have earned before."""
    rows = await conn.fetch(POINTS_SOURCES, members, currency)
    return {row["member_id"]: (PartitionId(row["partition_id"]), row["id"]) for row in rows}


async def insert(conn: Connection, movements: Sequence[PointsMovement]) -> None:
    rows = [
        (m.action_id, m.partition_id, m.authorization_id, m.member_id, m.kind, m.rule_id, m.points, m.owed,
         m.created_at)
        for m in movements
    ]  # fmt: skip
    await insert_rows(conn, MOVEMENTS, rows)


async def find_page(conn: Connection, page: PageRequest, member_id: MemberId) -> Page[PointsMovement]:
    """What a member has earned and lost again, newest first."""
    rows = await conn.fetch(PAGE, member_id, page.after, page.limit + 1)
    return cut([_movement(row) for row in rows], page, lambda movement: movement.action_id)


def _rule(row: Any) -> PointsRule:
    terms = RuleTerms(
        basis_points=row["basis_points"],
        validity_months=row["validity_months"],
        programme_id=row["programme_id"],
        merchant_id=row["merchant_id"],
        amount_min_minor=row["amount_min_minor"],
    )
    return PointsRule(row["id"], terms, row["starts_at"], row["ends_at"])


def _step(row: Any) -> Step:
    return Step(
        action_id=row["id"],
        partition_id=PartitionId(row["partition_id"]),
        authorization_id=row["authorization_id"],
        kind=ActionKind(row["kind"]),
        member_id=row["member_id"],
        programme_id=row["programme_id"],
        merchant_id=row["merchant_id"],
        parts=tuple(row["parts"]),
        kinds=tuple(row["kinds"]),
        created_at=row["created_at"],
        moved=row["points"],
    )


def _movement(row: Any) -> PointsMovement:
    return PointsMovement(
        row["action_id"],
        PartitionId(row["partition_id"]),
        row["authorization_id"],
        row["member_id"],
        MovementKind(row["kind"]),
        row["rule_id"],
        row["points"],
        row["owed"],
        row["created_at"],
    )
