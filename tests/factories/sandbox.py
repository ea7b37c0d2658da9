"""Partners, shops and cards for tests."""

from random import Random

from obverse.kit.clock import Clock
from obverse.kit.secret import Secret
from obverse.sandbox import SandboxSettings
from obverse.sandbox.card_company import RealCard
from obverse.sandbox.card_company.model import Request
from obverse.sandbox.terminal import Shop, Till
from obverse.sandbox.wire import Message, additional_data

HOST = "127.0.0.1"
FREE_PORTS = SandboxSettings(
    clearing_house_port=0,
    card_company_port=0,
    card_company_files_port=0,
    bank_port=0,
    mall_port=0,
    credit_bureau_port=0,
    mail_port=0,
    sms_port=0,
    van_port=0,
    points_issuers_port=0,
    control_port=0,
)
CARD_NUMBER = "9530101234567896"


def a_card(**changes: object) -> RealCard:
    fields: dict[str, object] = {
        "number": Secret(CARD_NUMBER),
        "expiry": "3006",
        "cvv": Secret("123"),
        "birth_date": "900101",
        "limit_minor": 100_000,
        "billing_account": "BA0000000001",
    }
    return RealCard(**(fields | changes))  # type: ignore[arg-type]


def a_request(**changes: object) -> Request:
    fields: dict[str, object] = {
        "key": ("01", "0701120000", "000001", "123456", "000000000001", "T0000001"),
        "number": CARD_NUMBER,
        "amount_minor": 34_000,
        "currency": "410",
        "expiry": "3006",
        "is_check": False,
        "cvv": None,
        "birth_date": None,
        "merchant": "A shop",
    }
    return Request(**(fields | changes))  # type: ignore[arg-type]


def a_shop(terminal: str = "T0000001", **changes: str) -> Shop:
    return Shop(**({"acquirer_id": "123456", "merchant_no": "M1", "terminal": terminal} | changes))


def a_till(port: int, shop: Shop | None = None, *, seed: int = 1, timeout_s: float = 5.0) -> Till:
    return Till(HOST, port, shop or a_shop(), clock=Clock(), rng=Random(seed), timeout_s=timeout_s)


def a_payment(**changes: str) -> Message:
    """A 0100 to the card company, as fields."""
    return {
        "t": "0100",
        "2": CARD_NUMBER,
        "3": "000000",
        "4": "000000034000",
        "7": "0701120000",
        "11": "000001",
        "14": "3006",
        "25": "00",
        "32": "123456",
        "37": "000000000001",
        "41": "T0000001",
        "42": "M1".ljust(15),
        "43": "A shop".ljust(40),
        "49": "410",
    } | changes


def a_check(cvv: str = "123", birth_date: str = "900101", **changes: str) -> Message:
    """A zero-amount check of a card's details."""
    told = additional_data({"92": cvv, "61": birth_date})
    return a_payment(**({"4": "0" * 12, "25": "51", "48": told} | changes))


def a_reversal(payment: Message, stan: str = "000002", message_type: str = "0420") -> Message:
    """The reversal of `payment`, with trace fields of its own."""
    names = ("2", "3", "4", "32", "37", "41", "42", "49")
    own = {"t": message_type, "7": "0701120001", "11": stan}
    original = "0100" + payment["11"] + payment["7"] + payment["32"].rjust(11, "0") + "0" * 11
    return {name: payment[name] for name in names} | own | {"90": original}
