"""Who is calling, and whether this route is for them.

Every route names its callers in `before_request`; one that forgets is closed to everybody. (A Litestar guard
would do the same, but copies the route for every request.) Which *objects* a caller sees is asked where they
are loaded, and the answer for a foreign object is the answer for a missing one (P12).
"""

import secrets
from dataclasses import dataclass
from typing import Final

from obverse.access.model import ApiKey, Scope
from obverse.cards import CardNotFound
from obverse.checkouts import Checkout, CheckoutNotFound
from obverse.doors.rest.errors import Unauthenticated
from obverse.doors.rest.request import raw_header
from obverse.doors.rest.services import HttpRequest, services
from obverse.kit.errors import InvalidRequest, NotPermitted, ObverseError
from obverse.kit.ids import MemberId, MerchantId, PointsIssuerId, from_text, to_text
from obverse.kit.secret import Secret
from obverse.members import Session
from obverse.merchants import Application, ApplicationNotFound, MerchantNotFound
from obverse.orders import Order, OrderNotFound

IDEMPOTENCY_KEY_MAX: Final = 255
_BEARER: Final = b"bearer "
_TOKEN_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Caller:
    """An API key or a signed-in member; never both.

    `name` scopes idempotency keys to their holder; a key's successor is the same holder.
    """

    name: str
    key: ApiKey | None = None
    member_id: MemberId | None = None

    @property
    def merchant_id(self) -> MerchantId | None:
        """The merchant whose objects are all this caller may see; None means not held to one."""
        return self.key.merchant_id if self.key else None

    @property
    def sees_reasons(self) -> bool:
        """Whether declines are explained to this caller rule by rule (PF-11)."""
        key = self.key
        return key is None or (key.merchant_id is None and Scope.OPERATE in key.scopes)

    @property
    def actor(self) -> str:
        """Who answers for a decision, as the audit log tells it."""
        if self.member_id is not None:
            return to_text("mem", self.member_id)
        assert self.key is not None
        return to_text("key", self.key.id)

    def request_key(self, request: HttpRequest) -> str | None:
        """The `Idempotency-Key` of this request, made unique among all callers; None when there is none."""
        raw = raw_header(request, b"idempotency-key")
        if raw is None:
            return None
        text = raw.decode("latin-1")
        if not (0 < len(text) <= IDEMPOTENCY_KEY_MAX and text.isascii() and text.isprintable()):
            raise InvalidRequest(
                f"Idempotency-Key must be 1 to {IDEMPOTENCY_KEY_MAX} printable ASCII characters.",
                "Idempotency-Key",
            )
        return f"rest:{self.name}:{text}"

    def command_key(self, request: HttpRequest) -> str:
        """The same, or one that no other request has: without a key of its own, each is one of its own."""
        return self.request_key(request) or f"rest:{self.name}:{secrets.token_hex(16)}"

    def merchant_meant(self, named: str | None) -> MerchantId | None:
        """The merchant that a request is about: the one it names, or the caller's own; None for all.

        Raises `MerchantNotFound` where a merchant's key names another.
        """
        own = self.merchant_id
        wanted = MerchantId(from_text("mer", named, "merchant")) if named is not None else None
        if own is not None and wanted not in (None, own):
            raise MerchantNotFound("merchant")
        return own or wanted

    def require_member(self, member_id: MemberId | None, missing: ObverseError) -> None:
        """Hold a member to what is their own; `missing` is what the room says of ids that do not exist."""
        if self.member_id is not None and self.member_id != member_id:
            raise missing


@dataclass(frozen=True, slots=True)
class Allow:
    """Lets in keys with `scope`, keys of merchants among them or not, signed-in members or not."""

    scope: Scope | None = None
    merchant_keys: bool = False
    members: bool = False

    async def __call__(self, request: HttpRequest) -> None:
        token = bearer(request)
        joined = services(request)
        key = await joined.access.authenticate(token)
        if key is not None:
            if joined.live and not key.live:
                raise Unauthenticated
            request.scope["auth"] = self._key(key)
            return
        session = await joined.members.session(token)
        if session is None:
            raise Unauthenticated
        if not self.members:
            raise NotPermitted("Members may not do that.")
        request.scope["auth"] = Caller(session.member_id.hex, member_id=session.member_id)

    def _key(self, key: ApiKey) -> Caller:
        if self.scope is None or self.scope not in key.scopes:
            raise NotPermitted
        if key.merchant_id is not None and not self.merchant_keys:
            raise NotPermitted
        # Held to no merchant, it would pass for the platform's own; it has a route of its own.
        if key.issuer_id is not None:
            raise NotPermitted
        return Caller(key.holder_id.hex, key=key)


class AnyKey(Allow):
    """Lets in every API key of ours and of merchants, whatever its scopes; which objects it reaches is for
    the route to say."""

    def _key(self, key: ApiKey) -> Caller:
        if key.issuer_id is not None:
            raise NotPermitted
        return Caller(key.holder_id.hex, key=key)


class PointsIssuerKey(Allow):
    """For look-ups: a key of one points issuer, and nobody else (PR-9)."""

    def _key(self, key: ApiKey) -> Caller:
        if key.issuer_id is None or Scope.POINTS not in key.scopes:
            raise NotPermitted
        return Caller(key.holder_id.hex, key=key)


class Applicant:
    """For the applicant's routes: whoever holds an application's token, and nobody else."""

    async def __call__(self, request: HttpRequest) -> None:
        try:
            request.scope["auth"] = await services(request).applications.of_token(bearer(request))
        except ApplicationNotFound:
            raise Unauthenticated from None


class Holder:
    """For the recipient's routes: whoever holds a claimed card's token, and nobody else."""

    async def __call__(self, request: HttpRequest) -> None:
        try:
            request.scope["auth"] = await services(request).cards.of_holder(bearer(request))
        except CardNotFound:
            raise Unauthenticated from None


class Buyer:
    """For a buyer's routes: whoever holds an order's token, and nobody else (PP-2)."""

    async def __call__(self, request: HttpRequest) -> None:
        try:
            request.scope["auth"] = await services(request).orders.of_token(bearer(request))
        except OrderNotFound:
            raise Unauthenticated from None


class WalletProgram:
    """For the wallet program's routes: whoever holds a checkout's session token, and nobody else (WA-7)."""

    async def __call__(self, request: HttpRequest) -> None:
        try:
            request.scope["auth"] = await services(request).checkouts.of_session(bearer(request))
        except CheckoutNotFound:
            raise Unauthenticated from None


class Nobody:
    """What holds where a route names no callers: nobody gets in."""

    async def __call__(self, request: HttpRequest) -> None:
        raise Unauthenticated


class Everyone:
    """For routes that ask for no token. It says so instead of leaving the question open."""

    async def __call__(self, request: HttpRequest) -> None:
        """Let everyone in."""


def bearer(request: HttpRequest) -> Secret:
    """The bearer token of this request. Raises `Unauthenticated` when there is none."""
    value = raw_header(request, b"authorization")
    if value is None or value[:7].lower() != _BEARER or not value.isascii() or len(value) > _TOKEN_MAX:
        raise Unauthenticated
    return Secret(value[7:].strip().decode("ascii"))


def caller_of(request: HttpRequest) -> Caller:
    """Who was let in."""
    caller: Caller = request.scope["auth"]
    return caller


def member_of(request: HttpRequest) -> MemberId:
    """The member who was let in, on a route that lets in members only."""
    member_id = caller_of(request).member_id
    assert member_id is not None, "the route lets in members only"
    return member_id


def issuer_of(request: HttpRequest) -> PointsIssuerId:
    """The points issuer whose key was let in, on a route that lets in such keys only."""
    key = caller_of(request).key
    issuer_id = key.issuer_id if key is not None else None
    assert issuer_id is not None, "the route lets in keys of points issuers only"
    return issuer_id


def checkout_of(request: HttpRequest) -> Checkout:
    """The checkout of the wallet program that was let in."""
    checkout: Checkout = request.scope["auth"]
    return checkout


def order_of(request: HttpRequest) -> Order:
    """The order of the buyer who was let in."""
    order: Order = request.scope["auth"]
    return order


async def session_of(request: HttpRequest) -> Session:
    """The very session that this request comes with, on a route that lets in members only."""
    session = await services(request).members.session(bearer(request))
    if session is None:
        raise Unauthenticated
    return session


async def proved(request: HttpRequest, password: Secret | None) -> Session:
    """The same, after it was proved once more that it is the member. Raises `WrongPassword`."""
    session = await session_of(request)
    await services(request).members.prove(session, password)
    return session


def application_of(request: HttpRequest) -> Application:
    """The application of the applicant who was let in."""
    application: Application = request.scope["auth"]
    return application
