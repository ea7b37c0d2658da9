"""Payment codes for a member's phone, sealed to it (PC-1 to PC-4)."""

from datetime import datetime
from typing import Annotated, Final

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from obverse.codes import Batch
from obverse.doors.rest.auth import Allow, member_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import Body, Id, View
from obverse.kit.ids import CardId, DeviceId, from_text, to_text

_MEMBERS: Final = Allow(members=True)


class NewCodeBatch(Body, frozen=True):
    """One code to be shown now, or more to be shown one after the other where there is no network."""

    card: Id
    count: Annotated[int, Meta(ge=1)] = 1


class CodeBatchView(View, frozen=True):
    """`sealed` is a JWE (ECDH-ES, A256GCM) that the device alone opens:
    `{"card", "codes": [{"code", "valid_from", "expires_at"}]}`. At `renew_at` it should ask for the next.
    """

    id: str
    object: str
    device: str
    card: str
    count: int
    sealed: str
    created: datetime
    renew_at: datetime
    ends: datetime


@post("/v1/devices/{device_id:str}/code_batches", before_request=_MEMBERS, tags=["payment codes"])
async def create_code_batch(
    request: HttpRequest, device_id: FromPath[str], data: JSONBody[NewCodeBatch]
) -> CodeBatchView:
    """Make codes of a card. Those that the device had of it for later are replaced. 60 a minute at most."""
    made = await services(request).code_batches.make(
        member_of(request),
        DeviceId(from_text("dev", device_id)),
        CardId(from_text("card", data.card, "card")),
        data.count,
    )
    return _view(made)


def _view(batch: Batch) -> CodeBatchView:
    return CodeBatchView(
        id=to_text("cbch", batch.id),
        object="code_batch",
        device=to_text("dev", batch.device_id),
        card=to_text("card", batch.card_id),
        count=batch.count,
        sealed=batch.sealed,
        created=batch.made_at,
        renew_at=batch.renew_at,
        ends=batch.ends_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [create_code_batch]
