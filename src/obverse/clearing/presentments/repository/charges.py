"""What card companies bill members for, read from the payments themselves (OT-18)."""

from typing import Any, Final

from obverse.authorization.model import ActionKind
from obverse.cards import HeldBy
from obverse.clearing.presentments.model import Charge, ChargePart, PresentmentState
from obverse.clearing.presentments.rules import direction_of
from obverse.kit.database import Connection
from obverse.kit.ids import CardId, MemberId, MerchantId, SourceId
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import NEWEST, Page, PageRequest, cut

# From the member's cards to what belongs to each: `offset 0` keeps that order, see `gathering.LOAD_PARTS`.
CHARGES: Final = f"""
select a.id, a.kind, a.authorization_id, c.id as card_id, c.held_by, a.merchant_id, a.currency, a.created_at,
    array_agg(l.source_id order by l.position) as sources,
    array_agg(a.parts[l.position + 1] order by l.position) as part_minors,
    array_agg(done.state order by l.position) as states
from (select id, held_by from cards where member_id = $3 offset 0) as c
cross join lateral (select id, partition_id from authorizations where card_id = c.id offset 0) as p
cross join lateral (
    select * from actions where authorization_id = p.id and partition_id = p.partition_id
        and id < coalesce($1, {NEWEST}) offset 0
) as a
cross join lateral (
    select position, source_id from legs where authorization_id = p.id and partition_id = p.partition_id
        and kind = 'linked_card' offset 0
) as l
left join presentments as done on done.action_id = a.id and done.position = l.position
where a.parts[l.position + 1] > 0 and (a.to_present or done.id is not null)
group by a.id, a.kind, a.authorization_id, c.id, c.held_by, a.merchant_id, a.currency, a.created_at
order by a.id desc limit $2
"""


async def find_charges(conn: Connection, member_id: MemberId, page: PageRequest) -> Page[Charge]:
    """What card companies bill this member, newest first, presented or about to be."""
    rows = await conn.fetch(CHARGES, page.after, page.limit + 1, member_id)
    return cut([_charge(row) for row in rows], page, lambda charge: charge.id)


def _charge(row: Any) -> Charge:
    kind = ActionKind(row["kind"])
    states = [PresentmentState(state) if state is not None else None for state in row["states"]]
    parts = zip(row["sources"], row["part_minors"], states, strict=True)
    return Charge(
        id=row["id"],
        kind=kind,
        direction=direction_of(kind),
        authorization_id=row["authorization_id"],
        card_id=CardId(row["card_id"]),
        held_by=HeldBy(row["held_by"]),
        merchant_id=MerchantId(row["merchant_id"]),
        currency=CurrencyCode(row["currency"]),
        parts=[ChargePart(SourceId(source), minor, state) for source, minor, state in parts],
        created_at=row["created_at"],
    )
