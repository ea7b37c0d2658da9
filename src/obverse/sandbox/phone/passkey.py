"""The passkey on a phone, behind its owner's fingerprint: WebAuthn with ES256, without attestation."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from os import urandom
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

ORIGIN: Final = "http://localhost:8080"
_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


def encoded(raw: bytes) -> str:
    """Base64url without padding, as WebAuthn's JSON has it."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Passkey:
    """One discoverable credential. `counts` False is a device that keeps no counter, `verifies` False one
    that does not ask who touches it."""

    origin: str = ORIGIN
    """The page it is used on."""
    rp_id: str = "localhost"
    verifies: bool = True
    counts: bool = True
    sign_count: int = 0
    user_handle: bytes = b""
    credential_id: bytes = field(default_factory=lambda: urandom(32))
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False
    )

    def create(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What `navigator.credentials.create(options)` gives, as `toJSON()` writes it."""
        self.user_handle, self.rp_id = decoded(options["user"]["id"]), options["rp"]["id"]
        client_data = self._client_data("webauthn.create", options)
        attested = (
            b"\0" * 16 + len(self.credential_id).to_bytes(2, "big") + self.credential_id + self._cose_key()
        )
        attestation = _attestation(self._auth_data(_ATTESTED) + attested)
        return self._credential(
            {"clientDataJSON": encoded(client_data), "attestationObject": encoded(attestation)}
        )

    def get(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What `navigator.credentials.get(options)` gives."""
        if self.counts:
            self.sign_count += 1
        client_data = self._client_data("webauthn.get", options)
        auth_data = self._auth_data()
        signature = self.key.sign(auth_data + sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return self._credential(
            {
                "clientDataJSON": encoded(client_data),
                "authenticatorData": encoded(auth_data),
                "signature": encoded(signature),
                "userHandle": encoded(self.user_handle),
            }
        )

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": encoded(self.credential_id),
            "rawId": encoded(self.credential_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }

    def _client_data(self, type_: str, options: Mapping[str, Any]) -> bytes:
        said = {"type": type_, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _auth_data(self, flags: int = 0) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0)
        return sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.sign_count.to_bytes(4, "big")

    def _cose_key(self) -> bytes:
        """The public key in CBOR: `{1: 2, 3: -7, -1: 1, -2: x, -3: y}`, an EC2 key for ES256 on P-256."""
        point = self.key.public_key().public_numbers()
        x, y = point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
        return bytes.fromhex("a5 01 02 03 26 20 01 21 5820") + x + bytes.fromhex("22 5820") + y


def _attestation(auth_data: bytes) -> bytes:
    """In CBOR `{"fmt": "none", "attStmt": {}, "authData": ...}`; ours are 24 to 255 bytes long."""
    return b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58" + bytes([len(auth_data)]) + auth_data
