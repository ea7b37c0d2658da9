"""What may be disputed, by whom, and what may happen next. No I/O, no clock."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec
from msgspec.structs import replace

from obverse.authorization import Action, ActionKind, Authorization, Status
from obverse.cards import Card, CardHandedOver, HeldBy
from obverse.disputes.errors import (
    AlreadyDisputed,
    AnswerClosed,
    AnswerPending,
    DisputeClosed,
    DisputeTooLarge,
    DisputeTooLate,
    DocumentNotAccepted,
    NotDisputable,
    TooManyDocuments,
)
from obverse.disputes.model import (
    Complaint,
    Dispute,
    Document,
    Ending,
    Outcome,
    Party,
    State,
    Terms,
)
from obverse.draws import HOUSE_MERCHANT
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import AuthorizationId
from obverse.kit.metadata import is_storable

TEXT_LENGTH_MAX: Final = 2_000
DOCUMENTS_MAX: Final = 5
DOCUMENT_BYTES_MAX: Final = 1024 * 1024
NAME_LENGTH_MAX: Final = 100
WITHDRAWN_MAX: Final = 1
"""Disputes of one payment that are withdrawn and may still be followed by another: each moves money twice."""

CONTESTED: Final = frozenset({State.OPEN, State.ANSWERED, State.UNANSWERED})
"""The amount is credited, and nobody has ended the dispute yet."""

WITHDRAWN: Final = Ending(Party.HOLDER, Outcome.MEMBER_PAYS)
ACCEPTED: Final = Ending(Party.MERCHANT, Outcome.MERCHANT_PAYS)


def check_text(text: str, param: str) -> str:
    """A statement or an answer that somebody can read later. Raises `InvalidRequest`."""
    text = text.strip()
    if not 1 <= len(text) <= TEXT_LENGTH_MAX or not is_storable(text):
        raise InvalidRequest(f"Write 1 to {TEXT_LENGTH_MAX:,} characters.", param)
    return text


def fingerprint(authorization_id: AuthorizationId, by: HeldBy, complaint: Complaint) -> bytes:
    """What tells whether two requests with one key contest the same. Nothing in it is secret."""
    return sha256(msgspec.json.encode((authorization_id, by, complaint), order="deterministic")).digest()


def check_holder(card: Card, by: HeldBy) -> None:
    """Whoever holds the card disputes. Its giver does not even learn where it paid (OT-8).

    Raises `CardHandedOver`.
    """
    if card.held_by is not by:
        raise CardHandedOver(card.id)


def disputed_minor(
    authorization: Authorization,
    complaint: Complaint,
    *,
    actions: Sequence[Action],
    terms: Terms,
    now: datetime,
) -> int:
    """How much this complaint puts in dispute; the time for it runs from the payment's latest capture.

    What was refunded cannot be disputed, nor what nobody bought: a draw. Raises `AlreadyDisputed`,
    `NotDisputable`, `DisputeTooLate`, `DisputeTooLarge`.
    """
    if authorization.disputed_minor:
        raise AlreadyDisputed
    left = authorization.refundable_minor if authorization.status is Status.APPROVED else 0
    captured = [action.created_at for action in actions if action.kind is ActionKind.CAPTURE]
    if left == 0 or authorization.merchant_id == HOUSE_MERCHANT:
        raise NotDisputable
    if max(captured) + terms.window <= now:
        raise DisputeTooLate
    wanted = left if complaint.amount_minor is None else complaint.amount_minor
    if wanted > left:
        raise DisputeTooLarge
    return wanted


def check_answerable(dispute: Dispute, now: datetime) -> None:
    """Refuse an answer that comes twice or too late. Raises `AnswerClosed`, `DisputeClosed`."""
    if dispute.outcome is not None:
        raise DisputeClosed
    if dispute.state is not State.OPEN or dispute.answer_due_at <= now:
        raise AnswerClosed


def end(dispute: Dispute, ending: Ending, now: datetime) -> Dispute:
    """The dispute once this party has ended it; one that was ended just so stays as it is.

    An operator waits for the merchant's answer, or for the time for it to pass; merchant and holder may give
    in at any moment. Raises `AnswerPending`, `DisputeClosed`.
    """
    if dispute.outcome is not None:
        if Ending(dispute.ended_by or ending.by, dispute.outcome) == ending:
            return dispute
        raise DisputeClosed
    assert dispute.state in CONTESTED, "the money is where the dispute says before anybody may end it"
    if ending.by is Party.OPERATOR and dispute.state is State.OPEN and now < dispute.answer_due_at:
        raise AnswerPending
    return replace(dispute, state=State.CLOSING, outcome=ending.outcome, ended_by=ending.by, ended_at=now)


def _is_text(content: bytes) -> bool:
    try:
        return is_storable(content.decode())
    except UnicodeDecodeError:
        return False


MEDIA_TYPES: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "application/pdf": lambda content: content.startswith(b"%PDF-"),
    "image/png": lambda content: content.startswith(b"\x89PNG\r\n\x1a\n"),
    "image/jpeg": lambda content: content.startswith(b"\xff\xd8\xff"),
    "text/plain": _is_text,
}
"""What is accepted as evidence, and how its first bytes have to look."""


def check_document(name: str, media_type: str, content: bytes) -> None:
    """Refuse what an operator could not open safely. Raises `InvalidRequest`, `DocumentNotAccepted`."""
    if not 1 <= len(name) <= NAME_LENGTH_MAX or not name.isprintable() or "/" in name or "\\" in name:
        raise InvalidRequest(f"A file name has 1 to {NAME_LENGTH_MAX} printable characters.", "name")
    if not 1 <= len(content) <= DOCUMENT_BYTES_MAX:
        raise InvalidRequest(f"A document has 1 to {DOCUMENT_BYTES_MAX:,} bytes.")
    looks_right = MEDIA_TYPES.get(media_type)
    if looks_right is None or not looks_right(content):
        raise DocumentNotAccepted


def next_number(documents: Sequence[Document]) -> int:
    """The number of the next document. Raises `TooManyDocuments`."""
    if len(documents) >= DOCUMENTS_MAX:
        raise TooManyDocuments
    return len(documents) + 1
