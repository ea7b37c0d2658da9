"""EMVCo's payload for QR codes that consumers present, as a wallet writes it and a till reads it.

Written from the specification (EMV QRCPS Consumer-Presented Mode 1.1, section 4) and not from the platform's
reader: what both agree on is no shared mistake.
"""

from base64 import b64decode, b64encode
from typing import Final

AID: Final = "F04F425645525345"
"""The provider's application, as its documentation for wallets gives it."""
LABEL: Final = "Obverse"


def payload(digits: str) -> str:
    """What the QR code of a payment code says.

    >>> payload("9410121234567890123")
    'hQVDUFYwMWEfTwjwT0JWRVJTRVAHT2J2ZXJzZVoKlBASEjRWeJASPw=='
    """
    pan = digits + "F" * (len(digits) % 2)
    application = _object("4F", AID) + _object("50", LABEL.encode().hex()) + _object("5A", pan)
    whole = _object("85", b"CPV01".hex()) + _object("61", application)
    return b64encode(bytes.fromhex(whole)).decode()


def digits(payload_: str) -> str:
    """The PAN in such a payload; a till knows no others. Raises `ValueError`."""
    whole = _split(b64decode(payload_, validate=True).hex())
    if whole.get("85") != b"CPV01".hex() or "61" not in whole:
        raise ValueError("Not a consumer-presented payload.")
    application = _split(whole["61"])
    if application.get("4f") != AID.lower() or "5a" not in application:
        raise ValueError("Not a payload of this application.")
    return application["5a"].rstrip("f")


def _object(tag: str, value: str) -> str:
    """Tag, length and value in hexadecimal; none of ours is as long as 128 bytes."""
    return f"{tag}{len(value) // 2:02X}{value}"


def _split(text: str) -> dict[str, str]:
    """The objects of one level with tags and lengths of one byte, which are all that we write."""
    found = {}
    while text:
        tag, length = text[:2], int(text[2:4], 16) * 2
        found[tag], text = text[4 : 4 + length], text[4 + length :]
    return found
