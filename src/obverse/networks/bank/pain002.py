"""pain.002: what the bank says of the orders in a pain.001 file.

Only refusals are news: that an order was carried out is told by the statement.
"""

import re
from typing import Final
from uuid import UUID

from lxml import etree

from obverse.networks.bank.xml import all_of, text_at
from obverse.treasury.model import StatusReport

_REFUSED: Final = "RJCT"
_HEX_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


def read_report(element: etree._Element) -> StatusReport:
    """Read a `CstmrPmtStsRpt`: single orders by `OrgnlEndToEndId`, whole files by `OrgnlMsgId`."""
    batches: dict[UUID, str] = {}
    orders: dict[UUID, str] = {}
    for group in all_of(element, "OrgnlGrpInfAndSts"):
        id_ = _id(text_at(group, "OrgnlMsgId"))
        if id_ is not None and text_at(group, "GrpSts") == _REFUSED:
            batches[id_] = _reason(group)
    for order in all_of(element, "OrgnlPmtInfAndSts/TxInfAndSts"):
        id_ = _id(text_at(order, "OrgnlEndToEndId"))
        if id_ is not None and text_at(order, "TxSts") == _REFUSED:
            orders[id_] = _reason(order)
    return StatusReport(batches, orders)


def _id(text: str | None) -> UUID | None:
    return UUID(text.lower()) if text is not None and _HEX_ID.fullmatch(text.lower()) else None


def _reason(element: etree._Element) -> str:
    code = text_at(element, "StsRsnInf/Rsn/Cd", "StsRsnInf/Rsn/Prtry") or ""
    return f"{code} {text_at(element, 'StsRsnInf/AddtlInf') or ''}".strip()
