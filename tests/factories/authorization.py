"""Payments, and everything the engine decides over, without a database."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID, uuid4

from msgspec.structs import replace
from tests.factories.ledger import MONTHS_ON, NOON, P0, an_account

from obverse.authorization.batch import Batch
from obverse.authorization.commands import Authorize
from obverse.authorization.inputs import Loaded, Makers
from obverse.authorization.model import Authorization, AuthorizationRequest, Entry
from obverse.cards.model import Card, CardKind, CardState, Controls, HeldBy
from obverse.cards.rules import face_expiry
from obverse.kit.errors import ObverseError
from obverse.kit.ids import (
    AccountId,
    AuthorizationId,
    CardId,
    MemberId,
    MerchantId,
    SourceId,
    VaultCardId,
)
from obverse.kit.money import KRW, CurrencyCode, Money
from obverse.kit.secret import Secret
from obverse.ledger import Account
from obverse.merchants.model import Merchant, MerchantState
from obverse.wallet.model import Source, SourceKind, SourceState

ISSUED = NOON - timedelta(hours=1)
EXPIRY = face_expiry(ISSUED)
_keys = count(1)


def makers() -> Makers:
    """Ids and codes in a fixed order."""
    numbers = count(1)
    references = count(1)
    return Makers(
        new_id=lambda: UUID(int=next(numbers)),
        random_bytes=lambda size: bytes(range(size)),
        new_network_ref=lambda: f"1120120000|{next(references):06d}|RRN",
        off_us_patience=timedelta(seconds=7),
        months_on=MONTHS_ON,
        pin_hash_of=lambda card, pin: f"{card.id}:{pin.reveal()}".encode(),
    )


def a_merchant(name: str = "Books", category: str = "5942", **changes: object) -> Merchant:
    merchant = Merchant(
        id=MerchantId(uuid4()),
        name=name,
        category=category,
        acquirer_id="12345678901",
        merchant_no="BOOKS0000000001",
        terminals=("TERM0001",),
        account_id=AccountId(uuid4()),
        state=MerchantState.ACTIVE,
        created_at=ISSUED,
    )
    return replace(merchant, **changes)  # type: ignore[arg-type]


def a_credit_line(account: Account, state: SourceState = SourceState.ACTIVE) -> Source:
    return Source(
        SourceId(uuid4()), P0, MemberId(uuid4()), SourceKind.CREDIT_LINE, account.currency, account.id,
        None, state, ISSUED,
    )  # fmt: skip


def a_linked_card(state: SourceState = SourceState.ACTIVE) -> Source:
    return Source(
        SourceId(uuid4()), P0, MemberId(uuid4()), SourceKind.LINKED_CARD, KRW, AccountId(uuid4()),
        VaultCardId(uuid4()), state, ISSUED,
    )  # fmt: skip


def a_card(
    *funding: Source,
    controls: Controls | None = None,
    state: CardState = CardState.ACTIVE,
    expires_at: datetime = NOON + timedelta(hours=23),
    uses_left: int | None = None,
    spent_minor: int = 0,
) -> Card:
    controls = controls or Controls()
    id_ = CardId(uuid4())
    return Card(
        partition_id=P0,
        id=id_,
        kind=CardKind.ONE_TIME,
        state=state,
        bin="941012",
        serial=0,
        last_four="4321",
        number_hash=id_.bytes,
        member_id=MemberId(uuid4()),
        held_by=HeldBy.MEMBER,
        currency=KRW,
        controls=controls,
        uses_left=controls.uses if uses_left is None else uses_left,
        spent_minor=spent_minor,
        expires_at=expires_at,
        funding=tuple(source.id for source in funding),
        created_at=ISSUED,
    )


def a_request(
    amount_minor: int = 34_000,
    merchant: Merchant | None = None,
    *,
    key: str | None = None,
    expiry: str | None = EXPIRY,
    entry: Entry = Entry.ONLINE,
    currency: CurrencyCode = KRW,
    capture: bool = False,
) -> AuthorizationRequest:
    return AuthorizationRequest(
        request_key=key or f"key {next(_keys)}",
        number=Secret("9410121234567893"),
        expiry=expiry,
        cvv=Secret("123"),
        amount=Money(amount_minor, currency),
        merchant=merchant,
        terminal="TERM0001",
        entry=entry,
        capture=capture,
    )


def authorize_command(
    card: Card | None,
    request: AuthorizationRequest,
    *,
    cvv_ok: bool | None = True,
    fingerprint: bytes = b"the same",
) -> Authorize:
    hashes = [card.number_hash if card is not None else b"nobody's"]
    return Authorize(AuthorizationId(uuid4()), request, hashes, cvv_ok, fingerprint)


def a_batch(
    cards: Sequence[Card] = (),
    sources: Sequence[Source] = (),
    accounts: Sequence[Account] = (),
    earlier: Sequence[Authorization] = (),
    now: datetime = NOON,
) -> Batch:
    loaded = Loaded(
        cards={card.number_hash: card for card in cards},
        sources={source.id: source for source in sources},
        accounts=accounts,
        authorizations=earlier,
    )
    return Batch(P0, loaded, now=now, makers=makers())


def decided(answer: Authorization | ObverseError) -> Authorization:
    """The answer, which must be a decision."""
    assert isinstance(answer, Authorization), answer
    return answer


def told(answer: Authorization) -> Authorization:
    """The answer without the marks that tell a repeat from a first answer."""
    return replace(answer, answered_again=False, repeated=False)


def credit_of(limit_minor: int) -> Account:
    """A credit line's account with this much left."""
    return an_account(floor_minor=-limit_minor)
