"""The audit log: who decided what, when and why. Operators only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import After, Limit, ListView, View, list_view, page_request
from obverse.kit.audit import AuditEntry
from obverse.kit.ids import to_text


class AuditEntryView(View, frozen=True):
    """`actor` did `action` to `subject` for this `reason`; `data` tells what changed."""

    id: str
    object: str
    actor: str
    action: str
    subject: str
    reason: str
    data: Mapping[str, str]
    created: datetime


@get("/v1/audit_log", before_request=Allow(Scope.OPERATE), tags=["operation"])
async def list_audit_log(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    subject: Annotated[
        str | None, QueryParameter(pattern="^[a-z]{2,8}_[0-9a-z]{26}$", description="Of this id only.")
    ] = None,
) -> ListView[AuditEntryView]:
    """Decisions of people, newest first."""
    page = await services(request).audit(page_request("aud", limit, after), subject)
    return list_view("aud", page, _view)


def _view(entry: AuditEntry) -> AuditEntryView:
    return AuditEntryView(
        id=to_text("aud", entry.id),
        object="audit_entry",
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        reason=entry.reason,
        data=entry.data,
        created=entry.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [list_audit_log]
