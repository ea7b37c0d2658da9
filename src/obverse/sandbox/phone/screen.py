"""What a phone holds of one card's codes, and what it shows of them."""

from dataclasses import dataclass, field
from datetime import datetime

from obverse.kit.secret import Secret
from obverse.sandbox.errors import SandboxError
from obverse.sandbox.phone.pictures import Picture, barcode, qr_code


class NoCode(SandboxError):
    """There is no code to show: they are all over, or the one of this moment has paid."""

    def __init__(self) -> None:
        super().__init__("No code of this card can be shown now. Go online to fetch others.")


@dataclass(frozen=True, slots=True)
class Held:
    """A code in memory, and when it is the one to show."""

    digits: Secret
    valid_from: datetime
    expires_at: datetime


@dataclass(slots=True)
class Purse:
    """The codes of one card, until they are shown and gone."""

    codes: list[Held]
    count: int
    """How many it asks for at a time."""
    renew_at: datetime

    def current(self, now: datetime) -> Held:
        """The code of this moment; what is over is wiped. Raises `NoCode`."""
        self.codes = [code for code in self.codes if now < code.expires_at]
        for code in self.codes:
            if code.valid_from <= now:
                return code
        raise NoCode

    def wipe(self, code: Held) -> None:
        """Forget a code that has paid."""
        self.codes = [each for each in self.codes if each is not code]


@dataclass(frozen=True, slots=True)
class Screen:
    """What a phone shows: the card that was picked, and one code of it in three ways."""

    card: str
    digits: Secret
    expires_at: datetime
    barcode: Picture = field(repr=False)
    qr_code: Picture = field(repr=False)

    @classmethod
    def of(cls, card: str, held: Held) -> "Screen":
        plain = held.digits.reveal()
        return cls(card, held.digits, held.expires_at, barcode(plain), qr_code(plain))
