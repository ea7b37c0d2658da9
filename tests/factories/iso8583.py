"""Messages as a till or an acquirer sends them. Every one may be bent: `purchase(DE39="00", DE4=None)`."""

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB
from psec.pinblock import encipher_pinblock_iso_4, encode_pinblock_iso_0

from obverse.networks.iso8583.codec import encode
from obverse.networks.iso8583.framing import frame
from obverse.networks.iso8583.origins import original_data
from obverse.networks.iso8583.pin_blocks import PinFormat

NUMBER = "9410121234567893"
ACQUIRER = "941000"
TERMINAL = "TERM0001"
MERCHANT_NO = "M00000000000001"
TRANSMITTED_AT = "1120093000"

PIN_KEY = "0123456789ABCDEFFEDCBA9876543210"
PIN_KEY_AES = "00112233445566778899AABBCCDDEEFF"
SECURITY = {PinFormat.TDES: "2001010100000000", PinFormat.AES: "2002040100000000"}

Fields = dict[str, str]


def with_pin(fields: Fields, pin: str, format_: PinFormat = PinFormat.TDES) -> Fields:
    """The same message with a PIN, as a pad of this zone enciphers it."""
    announced = fields | {"53": SECURITY[format_]}
    if format_ is PinFormat.AES:
        block = encipher_pinblock_iso_4(bytes.fromhex(PIN_KEY_AES), pin, fields["2"])
        return announced | {"110": block.hex().upper()}
    key = bytes.fromhex(PIN_KEY + PIN_KEY[:16])
    clear = encode_pinblock_iso_0(pin, fields["2"])
    return announced | {"52": encipher_tdes(key, clear).hex().upper()}


def encipher_tdes(key: bytes, block: bytes) -> bytes:
    """One block under a triple-length key."""
    return Cipher(TripleDES(key), ECB()).encryptor().update(block)  # noqa: S305 - as the standard has it


def purchase(mti: str = "0100", **changes: str | None) -> Fields:
    """34,000 won online; `DE4="..."` changes a field, `DE4=None` leaves it out."""
    return _changed(
        {
            "t": mti,
            "2": NUMBER,
            "3": "000000",
            "4": "000000034000",
            "7": TRANSMITTED_AT,
            "11": "000001",
            "12": "183000",
            "13": "1120",
            "14": "2911",
            "18": "5411",
            "22": "810",
            "25": "00",
            "32": ACQUIRER,
            "37": "000000000001",
            "41": TERMINAL,
            "42": MERCHANT_NO,
            "48": "9203123",
            "49": "410",
        },
        changes,
    )


def reversal(original: Fields, mti: str = "0400", **changes: str | None) -> Fields:
    """Undo `original`; its own DE 7 and DE 11 are a little later."""
    return _changed(
        {
            "t": mti,
            **{number: original[number] for number in ("2", "3", "4", "32", "37", "41", "42", "49")},
            "7": "1120093005",
            "11": "000900",
            "90": original_data(original["t"], original["7"], original["11"], original["32"]),
        },
        changes,
    )


def capture(original: Fields, mti: str = "0220", **changes: str | None) -> Fields:
    """The sale that `original` authorized is complete."""
    return reversal(original, mti, **changes)


def upload(mti: str = "0320", **changes: str | None) -> Fields:
    """A sale of 34,000 won, uploaded with its batch."""
    return _changed(
        {
            "t": mti,
            "2": NUMBER,
            "3": "000000",
            "4": "000000034000",
            "7": "1120220000",
            "11": "000950",
            "32": ACQUIRER,
            "37": "000000000001",
            "38": "A1B2C3",
            "41": TERMINAL,
            "42": MERCHANT_NO,
            "49": "410",
            "60": "000017",
        },
        changes,
    )


def reconciliation(mti: str = "0500", **changes: str | None) -> Fields:
    """The totals of a batch: two sales of 78,000 won in all, one refund of 4,000."""
    return _changed(
        {
            "t": mti,
            "7": "1120220500",
            "11": "000990",
            "32": ACQUIRER,
            "41": TERMINAL,
            "42": MERCHANT_NO,
            "50": "410",
            "60": "000017",
            "74": "0000000001",
            "76": "0000000002",
            "86": "0000000000004000",
            "88": "0000000000078000",
            "97": "D0000000000074000",
        },
        changes,
    )


def echo_test(mti: str = "0800", network_code: str = "301", **changes: str | None) -> Fields:
    return _changed({"t": mti, "7": TRANSMITTED_AT, "11": "000777", "70": network_code}, changes)


def wire(fields: Fields, tpdu: bytes = b"") -> bytes:
    """The bytes as sent."""
    return frame(encode(fields), tpdu)


def _changed(fields: Fields, changes: dict[str, str | None]) -> Fields:
    for name, value in changes.items():
        number = name.removeprefix("DE")
        if value is None:
            del fields[number]
        else:
            fields[number] = value
    return fields
