"""What points issuers tell the VAN of takes at its terminals, kept for the tills that ask (PR-7)."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from obverse.sandbox.trace import Trace

KEPT_MAX: Final = 100_000

_VAN: Final = "VAN"


class TerminalFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which terminal of whose, and its own reference of the payment (DE 37)."""

    acquirer: str
    merchant_no: str
    terminal: str
    rrn: str | None


class PointsResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of one take; a later one tells of more `units_back`, never of fewer."""

    reference: Annotated[str, Meta(min_length=1, max_length=100)]
    terminal: TerminalFields
    amount: Annotated[int, Meta(ge=1)]
    units: Annotated[int, Meta(ge=1)]
    units_back: Annotated[int, Meta(ge=0)]
    approval_code: str | None
    reason: str | None


class PointsResultSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    issuer: Annotated[str, Meta(min_length=1, max_length=60)]
    results: Annotated[list[PointsResult], Meta(min_length=1, max_length=200)]


class PointsResultView(msgspec.Struct, frozen=True):
    """A result as a till reads it. `status`: approved, declined, or cancelled where every unit went back."""

    issuer: str
    reference: str
    status: str
    amount: int
    units: int
    units_back: int
    approval_code: str | None
    reason: str | None
    merchant_no: str
    terminal: str
    rrn: str | None


class Results:
    """The last results, each once however often and in whatever order it is told."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._kept: OrderedDict[tuple[str, str], PointsResultView] = OrderedDict()

    def take(self, told: PointsResultSet) -> None:
        """Keep what an issuer tells."""
        for result in told.results:
            key = told.issuer, result.reference
            known = self._kept.get(key)
            if known is None or result.units_back > known.units_back:
                self._kept[key] = view = _view(told.issuer, result)
                shown = {
                    name: str(getattr(view, name)) for name in ("status", "units", "units_back", "terminal")
                }
                self._trace.http(told.issuer, _VAN, "POST /points_results", shown)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)

    def at(
        self, terminal: str, merchant_no: str | None = None, rrn: str | None = None
    ) -> Sequence[PointsResultView]:
        """What is known of takes at a terminal, oldest first; of one merchant's, or of one payment."""
        return [
            view
            for view in self._kept.values()
            if view.terminal == terminal
            and merchant_no in (None, view.merchant_no)
            and rrn in (None, view.rrn)
        ]

    def show_till(
        self, terminal: str, merchant_no: str | None, rrn: str | None
    ) -> Sequence[PointsResultView]:
        """The same for a till that asks."""
        found = self.at(terminal, merchant_no, rrn)
        till = f"Till {terminal}"
        self._trace.http(till, _VAN, "GET /points_results", {"rrn": rrn} if rrn is not None else {})
        self._trace.http(_VAN, till, "200", {"statuses": ", ".join(view.status for view in found)})
        return found


def _view(issuer: str, result: PointsResult) -> PointsResultView:
    if result.approval_code is None:
        status = "declined"
    else:
        status = "cancelled" if result.units_back >= result.units else "approved"
    where = result.terminal
    return PointsResultView(
        issuer=issuer,
        reference=result.reference,
        status=status,
        amount=result.amount,
        units=result.units,
        units_back=result.units_back,
        approval_code=result.approval_code,
        reason=result.reason,
        merchant_no=where.merchant_no,
        terminal=where.terminal,
        rrn=where.rrn,
    )
