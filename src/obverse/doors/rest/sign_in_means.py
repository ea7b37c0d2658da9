"""What members sign in with: password, passkeys, one-time codes (PF-12); and getting back in (WA-2)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from obverse.doors.rest.auth import Allow, Everyone, member_of, proved, session_of
from obverse.doors.rest.profiles import Code, Mail, check_twice
from obverse.doors.rest.request import origin_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.sessions import PasskeyOptionsView
from obverse.doors.rest.shapes import Body, SecretText, Text, View
from obverse.kit.ids import MemberId, PasskeyId, from_text, to_text
from obverse.kit.secret import Secret
from obverse.members import Passkey

_MEMBERS: Final = Allow(members=True)


class NewPassword(Body, frozen=True):
    """The new password twice, and the current one from who has not signed in with a passkey."""

    password: SecretText
    password_again: SecretText
    current_password: SecretText | None = None


class Proof(Body, frozen=True):
    """`current_password` is for who has not signed in with a passkey."""

    current_password: SecretText | None = None


class NewPasskey(Body, frozen=True):
    """`credential` is what `navigator.credentials.create` gave, as its `toJSON()` writes it."""

    name: Text
    credential: dict[str, Any]


class TotpCode(Body, frozen=True):
    """A code of the authenticator app."""

    code: Code


class TotpRemoval(Body, frozen=True):
    """A code of the authenticator app or a recovery code; after signing in with a passkey, nothing."""

    code: Code | None = None


class RecoveryRequest(Body, frozen=True):
    """The mail address that somebody says they joined with."""

    mail: Mail


class RecoveryToken(Body, frozen=True):
    """What stands behind the # of the link in the letter."""

    token: SecretText


class RecoveryAnswer(Body, frozen=True):
    """The answer to the member's question, and `otp` where a second factor is asked for.

    With `password`, twice, it is replaced and every session ends; without it, only the ID is told.
    """

    token: SecretText
    answer: SecretText
    otp: Code | None = None
    password: SecretText | None = None
    password_again: SecretText | None = None


class PasskeyView(View, frozen=True):
    """A passkey by the name its member gave it."""

    id: str
    object: str
    name: str
    created: datetime
    last_used: datetime | None


class PasskeysView(View, frozen=True):
    """All passkeys of a member, newest first; there are ten at most."""

    data: Sequence[PasskeyView]


class TotpView(View, frozen=True):
    """A generator of one-time codes, shown here and never again."""

    object: str
    secret: str
    otpauth_uri: str


class RecoveryCodesView(View, frozen=True):
    """Each stands in once for a code of the app. Shown here and never again."""

    object: str
    recovery_codes: Sequence[str]


class RecoveryRequestView(View, frozen=True):
    """The same for every mail address."""

    object: str


class RecoverableView(View, frozen=True):
    """What will be asked."""

    object: str
    question: str
    second_factor: bool


class RecoveredView(View, frozen=True):
    """What to sign in with."""

    object: str
    member: str
    member_id: str


# password


@put("/v1/members/me/password", before_request=_MEMBERS, status_code=204, tags=["sign-in"])
async def set_password(request: HttpRequest, data: JSONBody[NewPassword]) -> None:
    """Change the password, or set one anew after signing in with a passkey. Other sessions end."""
    check_twice(data.password, data.password_again)
    current, session = _secret(data.current_password), await session_of(request)
    await services(request).members.change_password(session, current, Secret(data.password))


@delete("/v1/members/me/password", before_request=_MEMBERS, tags=["sign-in"])
async def remove_password(request: HttpRequest) -> None:
    """Do without a password, signed in with a passkey. Other sessions end."""
    await services(request).members.remove_password(await session_of(request))


# passkeys


@post("/v1/members/me/passkeys/options", before_request=_MEMBERS, status_code=200, tags=["sign-in"])
async def create_passkey_options(request: HttpRequest, data: JSONBody[Proof]) -> PasskeyOptionsView:
    """Begin to add a passkey. The options are good for five minutes."""
    member_id = (await proved(request, _secret(data.current_password))).member_id
    passkeys = services(request).members.passkeys
    options = await passkeys.registration_options(member_id, await _label(request, member_id))
    return PasskeyOptionsView("passkey_options", options)


@post("/v1/members/me/passkeys", before_request=_MEMBERS, tags=["sign-in"])
async def add_passkey(request: HttpRequest, data: JSONBody[NewPasskey]) -> PasskeyView:
    """Add the passkey that the device made of the options."""
    passkeys = services(request).members.passkeys
    return _passkey_view(await passkeys.add(member_of(request), data.name, data.credential))


@get("/v1/members/me/passkeys", before_request=_MEMBERS, tags=["sign-in"])
async def list_passkeys(request: HttpRequest) -> PasskeysView:
    """This member's passkeys."""
    passkeys = await services(request).members.passkeys.list(member_of(request))
    return PasskeysView([_passkey_view(passkey) for passkey in passkeys])


@delete("/v1/members/me/passkeys/{passkey_id:str}", before_request=_MEMBERS, tags=["sign-in"])
async def remove_passkey(request: HttpRequest, passkey_id: FromPath[str]) -> None:
    """Remove a passkey, unless it is the last means of signing in."""
    wanted = PasskeyId(from_text("pkey", passkey_id))
    await services(request).members.passkeys.remove(member_of(request), wanted)


# one-time codes


@post("/v1/members/me/totp", before_request=_MEMBERS, tags=["sign-in"])
async def create_totp(request: HttpRequest, data: JSONBody[Proof]) -> TotpView:
    """Set up one-time codes. They are asked for only once `confirm` has seen one."""
    member_id = (await proved(request, _secret(data.current_password))).member_id
    members = services(request).members
    label = await _label(request, member_id)
    secret, uri = await members.codes.enrol(member_id, label, members.party.name)
    return TotpView("totp", secret.reveal(), uri.reveal())


@post("/v1/members/me/totp/confirm", before_request=_MEMBERS, status_code=200, tags=["sign-in"])
async def confirm_totp(request: HttpRequest, data: JSONBody[TotpCode]) -> RecoveryCodesView:
    """Begin to be asked for codes when signing in with a password."""
    codes = await services(request).members.codes.confirm(member_of(request), Secret(data.code))
    return RecoveryCodesView("recovery_codes", [code.reveal() for code in codes])


@post("/v1/members/me/totp/remove", before_request=_MEMBERS, status_code=204, tags=["sign-in"])
async def remove_totp(request: HttpRequest, data: JSONBody[TotpRemoval]) -> None:
    """Be asked for codes no more."""
    await services(request).members.codes.remove(await session_of(request), _secret(data.code))


# recovery


@post("/v1/recoveries", before_request=Everyone(), status_code=202, tags=["sign-in"])
async def request_recovery(request: HttpRequest, data: JSONBody[RecoveryRequest]) -> RecoveryRequestView:
    """Ask for a forgotten ID or password. The answer is the same, and as fast, whoever has that address.

    Where it is a member's who has set a question, a letter with a link goes there. One address may ask ten
    times an hour.
    """
    await services(request).members.recovery.request(Secret(data.mail), origin_of(request))
    return RecoveryRequestView("recovery_request")


@post("/v1/recoveries/open", before_request=Everyone(), status_code=200, tags=["sign-in"])
async def open_recovery(request: HttpRequest, data: JSONBody[RecoveryToken]) -> RecoverableView:
    """What this recovery will ask. The token stays good for its thirty minutes."""
    found = await services(request).members.recovery.open(Secret(data.token))
    return RecoverableView("recovery", found.question.reveal(), found.second_factor)


@post("/v1/recoveries/redeem", before_request=Everyone(), status_code=200, tags=["sign-in"])
async def redeem_recovery(request: HttpRequest, data: JSONBody[RecoveryAnswer]) -> RecoveredView:
    """Get the ID back, and with `password` a new one of those. The token is used up by that."""
    if data.password is not None or data.password_again is not None:
        check_twice(data.password or "", data.password_again)
    member_id, profile = await services(request).members.recovery.redeem(
        Secret(data.token),
        Secret(data.answer),
        _secret(data.otp),
        _secret(data.password),
        origin_of(request),
    )
    return RecoveredView("recovered", to_text("mem", member_id), profile.chosen_id)


async def _label(request: HttpRequest, member_id: MemberId) -> str:
    """What the member's devices call this account: the member ID of their choice, if they have one."""
    profile = await services(request).members.profiles.look_up(member_id)
    return profile.chosen_id if profile is not None else to_text("mem", member_id)


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)


def _passkey_view(passkey: Passkey) -> PasskeyView:
    return PasskeyView(
        to_text("pkey", passkey.id), "passkey", passkey.name, passkey.created_at, passkey.last_used_at
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    set_password,
    remove_password,
    create_passkey_options,
    add_passkey,
    list_passkeys,
    remove_passkey,
    create_totp,
    confirm_totp,
    remove_totp,
    request_recovery,
    open_recovery,
    redeem_recovery,
]
