"""What a batch is given: the state it decides over, and where new ids, codes and references come from."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from obverse.authorization.loads import MonthsOn
from obverse.authorization.model import Action, Authorization
from obverse.cards.model import Card
from obverse.codes.model import Code, CodePolicy, Guesses
from obverse.kit.ids import AuthorizationId, NewId, ProgrammeId, SourceId
from obverse.kit.secret import Secret
from obverse.ledger.model import Account
from obverse.points.model import Holding, Quote
from obverse.points.rules import Rates
from obverse.programmes.model import Programme
from obverse.wallet.model import Lot, Source

_APPROVAL_CODE_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, slots=True)
class Makers:
    """Where ids, approval codes and network references come from; passed in, so that runs can be replayed."""

    new_id: NewId
    random_bytes: Callable[[int], bytes]
    new_network_ref: Callable[[], str]
    off_us_patience: timedelta
    """How long after its opening a payment may wait for card companies before recovery closes it."""
    months_on: MonthsOn
    """When money that is paid in at a till ends, on the programme's calendar."""
    pin_hash_of: Callable[[Card, Secret], bytes]
    """The hash of a PIN for the card that a payment code turned out to stand for."""
    codes: CodePolicy = field(default_factory=CodePolicy)

    def approval_code(self) -> str:
        """Six letters and digits without those that are mistaken for one another (ISO 8583 DE 38)."""
        return "".join([_APPROVAL_CODE_LETTERS[byte & 31] for byte in self.random_bytes(6)])


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the database says about everything a batch touches, under its locks."""

    cards: Mapping[bytes, Card] = field(default_factory=dict)
    """By number hash."""
    sources: Mapping[SourceId, Source] = field(default_factory=dict)
    lots: Mapping[SourceId, Sequence[Lot]] = field(default_factory=dict)
    """What balances among the sources are made of, in the order in which they are spent."""
    programmes: Mapping[ProgrammeId, Programme] = field(default_factory=dict)
    """Of cards that money is to be paid into."""
    holdings: Mapping[SourceId, Holding] = field(default_factory=dict)
    """Points accounts among the sources."""
    rates: Rates = field(default_factory=dict)
    quotes: Mapping[str, Quote] = field(default_factory=dict)
    """What was shown before, by its reference."""
    codes: Mapping[bytes, Code] = field(default_factory=dict)
    """Payment codes by hash."""
    guesses: Guesses = field(default_factory=Guesses)
    accounts: Sequence[Account] = ()
    authorizations: Iterable[Authorization] = ()
    actions: Iterable[Action] = ()
    """Earlier ones behind the keys of these commands."""
    presented: Collection[AuthorizationId] = ()
    """Payments to be undone of which card companies were told in a clearing file."""
