"""Devices: the phones on which a member shows payment codes (PC-1)."""

from datetime import datetime
from typing import Annotated, Final, Literal

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from obverse.codes import Device, PublicKey
from obverse.doors.rest.auth import Allow, member_of, proved
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import PRINTABLE, Body, ListView, SecretText, View
from obverse.kit.ids import DeviceId, from_text, to_text
from obverse.kit.secret import Secret

_MEMBERS: Final = Allow(members=True)
_TAGS: Final = ["payment codes"]

_Coordinate = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{43}$", max_length=43)]


class PublicKeyBody(Body, frozen=True):
    """A JWK. The device makes the pair and keeps the private half; codes are sealed to this one."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: _Coordinate
    y: _Coordinate


class NewDevice(Body, frozen=True):
    """A phone by a name of the member's choice.

    `current_password` is not needed by whoever has signed in with a passkey: a session that somebody found
    registers no phone of theirs.
    """

    name: Annotated[str, Meta(min_length=1, max_length=60, pattern=PRINTABLE)]
    public_key: PublicKeyBody
    current_password: SecretText | None = None


class DeviceView(View, frozen=True):
    """A phone. Once it is removed it shows no code that pays."""

    id: str
    object: str
    name: str
    created: datetime
    removed: datetime | None


@post("/v1/devices", before_request=_MEMBERS, tags=_TAGS)
async def create_device(request: HttpRequest, data: JSONBody[NewDevice]) -> DeviceView:
    """Register a phone by its public key; the same key again is the same device. Ten at most."""
    password = Secret(data.current_password) if data.current_password is not None else None
    member_id = (await proved(request, password)).member_id
    key = PublicKey(data.public_key.x, data.public_key.y)
    return _view(await services(request).devices.register(member_id, data.name, key))


@get("/v1/devices", before_request=_MEMBERS, tags=_TAGS)
async def list_devices(request: HttpRequest) -> ListView[DeviceView]:
    """The member's phones, newest first, without those that were removed."""
    found = await services(request).devices.list(member_of(request))
    return ListView([_view(device) for device in found], False, None)


@post("/v1/devices/{device_id:str}/remove", before_request=_MEMBERS, status_code=200, tags=_TAGS)
async def remove_device(request: HttpRequest, device_id: FromPath[str]) -> DeviceView:
    """Remove a phone: every code on it that has not paid dies at once."""
    id_ = DeviceId(from_text("dev", device_id))
    return _view(await services(request).devices.remove(member_of(request), id_))


def _view(device: Device) -> DeviceView:
    return DeviceView(
        id=to_text("dev", device.id),
        object="device",
        name=device.name,
        created=device.created_at,
        removed=device.removed_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [create_device, list_devices, remove_device]
