"""What an answer says of points: what is shown before a payment, and who has paid which part of it."""

from collections.abc import Mapping

from obverse.authorization.model import Authorization, Leg, Purpose, Status
from obverse.doors.acquirer.ports import PointsDesk
from obverse.kit.ids import SourceId
from obverse.merchants.model import Merchant
from obverse.networks.iso8583.fields import DE63_POINTS
from obverse.networks.iso8583.points import (
    AccountShown,
    PartKind,
    PartShown,
    write_accounts,
    write_parts,
    write_reason,
)
from obverse.points.model import Issuer
from obverse.points.quotes import Shown, ShownLine
from obverse.wallet.model import SourceKind

_KINDS = {
    SourceKind.ISSUER_POINTS: PartKind.POINTS,
    SourceKind.STORED_BALANCE: PartKind.BALANCE,
    SourceKind.POINTS: PartKind.BALANCE,
    SourceKind.CREDIT_LINE: PartKind.CREDIT,
    SourceKind.LINKED_CARD: PartKind.CARD,
}


async def shown(desk: PointsDesk | None, decided: Authorization, merchant: Merchant | None) -> Shown | None:
    """The points of a card whose balance was asked for (PR-3, PR-4); None where there is nothing to show."""
    asked = decided.purpose is Purpose.INQUIRY and decided.status is Status.APPROVED
    if desk is None or not asked or decided.card_id is None or merchant is None:
        return None
    return await desk.quote(decided.card_id, merchant)


async def points_told(
    desk: PointsDesk | None, decided: Authorization, points: Shown | None
) -> Mapping[str, str]:
    """DE 63 of the answer: accounts to pick from, the parts of a payment with points, or why there are none.

    The parts are those of the stored payment, so that a repeat is told the same (P6).
    """
    text = ""
    if points is not None:
        text = write_accounts(points.reference, map(_account, points.lines))
    elif decided.status is Status.DECLINED:
        text = write_reason(decided.decline)
    elif decided.status is Status.APPROVED:
        paid = [leg.source_id for leg in decided.legs if leg.kind is SourceKind.ISSUER_POINTS]
        if desk is not None and paid:
            text = write_parts(_parts(decided, await desk.issuers(paid)))
    return {DE63_POINTS: text} if text else {}


def _account(line: ShownLine) -> AccountShown:
    trouble = "" if line.trouble is None else line.trouble.value
    return AccountShown(line.number, line.issuer, line.unit, line.units, line.worth_minor, line.rate, trouble)


def _parts(paid: Authorization, issuers: Mapping[SourceId, Issuer]) -> list[PartShown]:
    """In the order of the legs; what is stored on the card is one part, however many lots it came from."""
    stored_minor = sum(leg.amount_minor for leg in paid.legs if _KINDS[leg.kind] is PartKind.BALANCE)
    parts: list[PartShown] = []
    for leg in paid.legs:
        if _KINDS[leg.kind] is not PartKind.BALANCE:
            parts.append(_part(leg, issuers))
        elif not any(part.kind is PartKind.BALANCE for part in parts):
            parts.append(PartShown(PartKind.BALANCE, stored_minor))
    return parts


def _part(leg: Leg, issuers: Mapping[SourceId, Issuer]) -> PartShown:
    kind = _KINDS[leg.kind]
    if kind is not PartKind.POINTS:
        return PartShown(kind, leg.amount_minor, leg.network_approval)
    issuer = issuers[leg.source_id]
    return PartShown(
        kind, leg.amount_minor, leg.network_approval, issuer.short_name, issuer.unit, leg.units, leg.rate
    )
