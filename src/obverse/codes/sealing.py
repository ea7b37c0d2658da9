"""Codes sealed to the device that shows them: a JWE that nobody else can open (RFC 7516, RFC 7518)."""

from collections.abc import Sequence
from typing import Final

import msgspec
from joserfc import jwe
from joserfc.jwk import ECKey

from obverse.codes.making_model import Device, NewCode
from obverse.kit.ids import CardId, to_text

ALGORITHM: Final = "ECDH-ES"
ENCRYPTION: Final = "A256GCM"


def seal(device: Device, card_id: CardId, codes: Sequence[NewCode]) -> str:
    """The compact form. `kid` names the device that it is for.

    Every message has an ephemeral key of its own, so a key that is found later opens none of another device,
    and whoever taps the line, or holds the session it was asked for with, has nothing.
    """
    contents = {
        "card": to_text("card", card_id),
        "codes": [
            {
                "code": code.digits.reveal(),
                "valid_from": code.window.valid_from,
                "expires_at": code.window.expires_at,
            }
            for code in codes
        ],
    }
    header = {"alg": ALGORITHM, "enc": ENCRYPTION, "kid": to_text("dev", device.id)}
    key = ECKey.import_key({"kty": "EC", "crv": "P-256", "x": device.public_key.x, "y": device.public_key.y})
    return jwe.encrypt_compact(header, msgspec.json.encode(contents), key, algorithms=[ALGORITHM, ENCRYPTION])
