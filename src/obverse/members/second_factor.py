"""One-time codes of an authenticator app, as a second factor of the password (RFC 6238)."""

import base64
from collections.abc import Sequence
from typing import Final

import pyotp

from obverse.kit.database import Connection
from obverse.kit.errors import NotPermitted
from obverse.kit.ids import MemberId
from obverse.kit.secret import Secret
from obverse.members import rules
from obverse.members.errors import SecondFactorRequired, TotpActive, WrongCode
from obverse.members.means import Means
from obverse.members.model import Method, Session, Totp
from obverse.members.repository import factors
from obverse.members.repository.seals import TOTP_SECRETS

_SECRET_BYTES: Final = 20
_RECOVERY_CODES: Final = 10
_RECOVERY_CODE_LENGTH: Final = 10
"""Of thirty-two characters: fifty bits each, at five guesses in a quarter of an hour."""


class SecondFactor:
    """One-time codes. Each is accepted once; a recovery code stands in for a lost phone, once."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def enrol(self, member_id: MemberId, label: str, issuer: str) -> tuple[Secret, Secret]:
        """Make a generator; returns its secret and the `otpauth` address of it, shown once. `label` names
        the account in the member's app. It counts only once `confirm` has seen a code of it.

        Raises `TotpActive`.
        """
        means = self._means
        secret = Secret(base64.b32encode(means.random_bytes(_SECRET_BYTES)).decode())
        async with means.database.transaction() as conn:
            sealed = await means.seal(conn, secret, TOTP_SECRETS.context_of(member_id))
            if not await factors.save_totp(conn, member_id, sealed):
                raise TotpActive
        uri = pyotp.TOTP(secret.reveal()).provisioning_uri(name=label, issuer_name=issuer)
        return secret, Secret(uri)

    async def confirm(self, member_id: MemberId, code: Secret) -> Sequence[Secret]:
        """Begin to ask for codes; returns the recovery codes, shown once.

        Raises `WrongCode`, `TotpActive`, `TooManyAttempts`.
        """
        means, about = self._means, _about(member_id)
        await means.count(about, rules.CODES)
        codes = [self._recovery_code() for _ in range(_RECOVERY_CODES)]
        async with means.database.transaction() as conn:
            totp = await factors.lock_totp(conn, member_id)
            if totp is not None and totp.confirmed:
                raise TotpActive
            if totp is None or not await self._use_totp(conn, totp, code.reveal().strip()):
                raise WrongCode
            await factors.insert_codes(conn, member_id, [self._hash(member_id, each) for each in codes])
            await means.forget(conn, about)
            await means.announce(conn, "member.second_factor_added", member_id)
        return codes

    async def remove(self, session: Session, code: Secret | None) -> None:
        """Ask for codes no more. A code proves that it is the member, or having signed in with a passkey.

        Raises `SecondFactorRequired`, `WrongCode`, `NotPermitted`, `TooManyAttempts`.
        """
        means, member_id = self._means, session.member_id
        if session.method is not Method.PASSKEY:
            await means.count(_about(member_id), rules.CODES)
        async with means.database.transaction() as conn:
            if session.method is not Method.PASSKEY and not await self.demand(conn, member_id, code):
                raise NotPermitted("There are no one-time codes to remove.")
            await means.forget(conn, _about(member_id))
            await factors.delete_totp(conn, member_id)
            await factors.delete_codes(conn, member_id)
            await means.announce(conn, "member.second_factor_removed", member_id)

    async def is_active(self, conn: Connection, member_id: MemberId) -> bool:
        """Whether this member's password is not enough."""
        return await factors.has_totp(conn, member_id)

    async def demand(self, conn: Connection, member_id: MemberId, code: Secret | None) -> bool:
        """Use up the code of who has a second factor, in the caller's commit; False for who has none.

        The caller has counted the attempt. Raises `SecondFactorRequired`, `WrongCode`.
        """
        totp = await factors.lock_totp(conn, member_id)
        if totp is None or not totp.confirmed:
            return False
        if code is None:
            raise SecondFactorRequired
        text = code.reveal().strip().replace(" ", "").replace("-", "").upper()
        if not (
            await self._use_totp(conn, totp, text)
            or await factors.use_code(conn, member_id, self._hash(member_id, Secret(text)))
        ):
            raise WrongCode
        return True

    async def _use_totp(self, conn: Connection, totp: Totp, code: str) -> bool:
        secret = self._means.vault.open(totp.secret, TOTP_SECRETS.context_of(totp.member_id))
        # Phones keep their own time, which nobody moves.
        wall = self._means.clock.now() - self._means.clock.offset
        step = rules.totp_step(secret, code, int(wall.timestamp()), totp.last_step)
        if step is None:
            return False
        await factors.use_step(conn, totp.member_id, step)
        return True

    def _recovery_code(self) -> Secret:
        drawn = base64.b32encode(self._means.random_bytes(_RECOVERY_CODE_LENGTH)).decode()
        return Secret(drawn[:_RECOVERY_CODE_LENGTH])

    def _hash(self, member_id: MemberId, code: Secret) -> bytes:
        return self._means.hash(f"recovery code:{member_id}:{code.reveal()}")


def _about(member_id: MemberId) -> str:
    return f"code:{member_id}"
