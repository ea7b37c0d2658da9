"""Passkeys (WebAuthn): signing in without a password (PF-12), and standing by a payment (PC-5).

Only discoverable ones with the user verified: such a key is two factors by itself, and nobody has to name a
member first, so that asking tells nothing of who exists.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import webauthn
from webauthn.helpers import (
    base64url_to_bytes,
    options_to_json_dict,
    parse_authentication_credential_json,
    parse_client_data_json,
)
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from obverse.kit.database import Connection
from obverse.kit.errors import ObverseError
from obverse.kit.ids import MemberId, PasskeyId
from obverse.kit.secret import Secret
from obverse.members import rules
from obverse.members.errors import LastMeansOfSignIn, PasskeyNotFound, PasskeyRefused, TooManyPasskeys
from obverse.members.means import Means
from obverse.members.model import Method, Outcome, Passkey, RelyingParty, Session
from obverse.members.repository import factors, registry
from obverse.members.sessions import Sessions

_NONCE_BYTES: Final = 16
_STAMP_BYTES: Final = 8
_MAC_BYTES: Final = 32
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_SIGN_IN: Final = "sign-in"


class Passkeys:
    """Passkeys of members.

    A challenge carries its own end and a keyed hash, so that asking for one writes nothing down; only one
    that was answered is, so that no answer counts twice.
    """

    def __init__(self, means: Means, sessions: Sessions, party: RelyingParty) -> None:
        self._means = means
        self._sessions = sessions
        self._party = party

    # adding and removing -----------------------------------------------------------------------------------

    async def registration_options(self, member_id: MemberId, label: str) -> Mapping[str, Any]:
        """What a browser's `navigator.credentials.create` takes. `label` names the account on the device."""
        known = await self.list(member_id)
        options = webauthn.generate_registration_options(
            rp_id=self._party.id,
            rp_name=self._party.name,
            user_id=member_id.bytes,
            user_name=label,
            challenge=self._challenge(f"add:{member_id}"),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each.credential_id) for each in known],
        )
        return options_to_json_dict(options)

    async def add(self, member_id: MemberId, name: str, credential: Mapping[str, Any]) -> Passkey:
        """Add what the browser made of the options. Raises `PasskeyRefused`, `TooManyPasskeys`."""
        means = self._means
        with _refusing():
            challenge = _challenge_in(credential)
            ends = self._checked(challenge, f"add:{member_id}")
            verified = webauthn.verify_registration_response(
                credential=dict(credential),
                expected_challenge=challenge,
                expected_rp_id=self._party.id,
                expected_origin=self._party.origin,
                require_user_verification=True,
            )
        passkey = Passkey(
            id=PasskeyId(means.new_id()),
            member_id=member_id,
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            name=name,
            created_at=means.clock.now(),
            last_used_at=None,
        )
        async with means.database.transaction() as conn:
            await registry.lock_password(conn, member_id)
            await self._use_up(conn, challenge, ends)
            if len(await factors.passkeys_of(conn, member_id)) >= rules.PASSKEYS_MAX:
                raise TooManyPasskeys
            await factors.insert_passkey(conn, passkey)
            await means.announce(conn, "member.passkey_added", member_id)
        return passkey

    async def list(self, member_id: MemberId) -> Sequence[Passkey]:
        """A member's passkeys, newest first; there are a few at most."""
        async with self._means.database.connection() as conn:
            return await factors.passkeys_of(conn, member_id)

    async def remove(self, member_id: MemberId, passkey_id: PasskeyId) -> None:
        """Remove a passkey, unless it is the last means of signing in.

        Raises `PasskeyNotFound`, `LastMeansOfSignIn`.
        """
        async with self._means.database.transaction() as conn:
            password_hash = await registry.lock_password(conn, member_id)
            left = {passkey.id for passkey in await factors.passkeys_of(conn, member_id)}
            if passkey_id not in left:
                raise PasskeyNotFound
            if password_hash is None and len(left) == 1:
                raise LastMeansOfSignIn
            await factors.delete_passkey(conn, passkey_id)
            await self._means.announce(conn, "member.passkey_removed", member_id)

    # signing in --------------------------------------------------------------------------------------------

    def sign_in_options(self) -> Mapping[str, Any]:
        """What a browser's `navigator.credentials.get` takes; the same for everybody."""
        return self._request_options(_SIGN_IN)

    async def sign_in(self, credential: Mapping[str, Any], origin: str) -> tuple[Session, Secret]:
        """Open a session for who holds this passkey; returns it with its token, which is not shown again.

        The signature counter must have grown, where the device keeps one: it falls behind in a copy.
        Raises `PasskeyRefused`.
        """
        means = self._means
        with _refusing():
            challenge = _challenge_in(credential)
            ends = self._checked(challenge, _SIGN_IN)
            assertion = parse_authentication_credential_json(dict(credential))
        member_id: MemberId | None = None
        try:
            async with means.database.transaction() as conn:
                passkey = await factors.lock_passkey(conn, assertion.raw_id)
                if passkey is None:
                    raise PasskeyRefused
                member_id = passkey.member_id
                await self._use_up(conn, challenge, ends)
                await self._use(conn, passkey, assertion, challenge)
                await self._sessions.note(conn, member_id, Method.PASSKEY, origin, Outcome.OK)
                return await self._sessions.open(conn, member_id, Method.PASSKEY, origin)
        except PasskeyRefused:
            await self._note_wrong(member_id, origin)
            raise

    async def _note_wrong(self, member_id: MemberId | None, origin: str) -> None:
        async with self._means.database.transaction() as conn:
            await self._sessions.note(conn, member_id, Method.PASSKEY, origin)

    # standing by a payment ---------------------------------------------------------------------------------

    def approval_options(self, about: str) -> Mapping[str, Any]:
        """The same for a member who shall stand by `about`, and by nothing else.

        They name no passkey, so that they tell nothing of whose `about` is, nor whether it is anybody's.
        """
        return self._request_options(f"approve:{about}")

    async def approve(
        self, member_id: MemberId | None, about: str, request_key: str, credential: Mapping[str, Any]
    ) -> None:
        """Check that this member stands by `about`; None is nobody, whom no passkey answers for.

        Once, but for repeats of the same request with the same answer. Raises `PasskeyRefused`, which uses
        nothing up.
        """
        means = self._means
        with _refusing():
            challenge = _challenge_in(credential)
            ends = self._end_of(challenge, f"approve:{about}")
            assertion = parse_authentication_credential_json(dict(credential))
            used_for = means.hash(f"approved:{request_key}:{json.dumps(credential, sort_keys=True)}")
        used = self._used(challenge)
        async with means.database.transaction() as conn:
            now = means.clock.now()
            if not await factors.use_challenge(conn, used, now + rules.APPROVAL_KEPT, used_for):
                if await factors.was_used_for(conn, used, used_for):
                    return
                raise PasskeyRefused
            passkey = await factors.lock_passkey(conn, assertion.raw_id)
            if ends <= now or passkey is None or passkey.member_id != member_id:
                raise PasskeyRefused
            await self._use(conn, passkey, assertion, challenge)

    # assertions --------------------------------------------------------------------------------------------

    def _request_options(self, purpose: str) -> Mapping[str, Any]:
        options = webauthn.generate_authentication_options(
            rp_id=self._party.id,
            challenge=self._challenge(purpose),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json_dict(options)

    async def _use(
        self, conn: Connection, passkey: Passkey, assertion: AuthenticationCredential, challenge: bytes
    ) -> None:
        """Verify what a passkey has signed, with its row locked. Raises `PasskeyRefused`."""
        handle = assertion.response.user_handle
        if handle is not None and handle != passkey.member_id.bytes:
            raise PasskeyRefused
        with _refusing():
            verified = webauthn.verify_authentication_response(
                credential=assertion,
                expected_challenge=challenge,
                expected_rp_id=self._party.id,
                expected_origin=self._party.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
        await factors.use_passkey(conn, passkey.id, verified.new_sign_count, self._means.clock.now())

    # challenges --------------------------------------------------------------------------------------------

    def _challenge(self, purpose: str) -> bytes:
        ends = self._means.clock.now() + rules.CHALLENGE_LIFETIME
        body = self._means.random_bytes(_NONCE_BYTES) + ((ends - _EPOCH) // _MS).to_bytes(_STAMP_BYTES, "big")
        return body + self._mac(body, purpose)

    def _checked(self, challenge: bytes, purpose: str) -> datetime:
        """When this challenge ends. Raises `PasskeyRefused` for one that is over, or not ours for this."""
        ends = self._end_of(challenge, purpose)
        if ends <= self._means.clock.now():
            raise PasskeyRefused
        return ends

    def _end_of(self, challenge: bytes, purpose: str) -> datetime:
        """The same for one that may be over."""
        body, mac = challenge[:-_MAC_BYTES], challenge[-_MAC_BYTES:]
        if Secret(mac.hex()) != Secret(self._mac(body, purpose).hex()):
            raise PasskeyRefused
        return _EPOCH + int.from_bytes(body[_NONCE_BYTES:], "big") * _MS

    def _mac(self, body: bytes, purpose: str) -> bytes:
        return self._means.hash(f"passkey challenge:{purpose}:{body.hex()}")

    async def _use_up(self, conn: Connection, challenge: bytes, ends: datetime) -> None:
        if not await factors.use_challenge(conn, self._used(challenge), ends):
            raise PasskeyRefused

    def _used(self, challenge: bytes) -> bytes:
        return self._means.hash(f"used:{challenge.hex()}")


def _challenge_in(credential: Mapping[str, Any]) -> bytes:
    """The challenge that a device says it has answered; whether it did, its signature tells."""
    return parse_client_data_json(base64url_to_bytes(credential["response"]["clientDataJSON"])).challenge


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except ObverseError:
        raise
    except Exception as error:
        raise PasskeyRefused from error
