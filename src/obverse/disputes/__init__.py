"""Disputes: whoever holds a card contests a charge, its merchant answers, an operator decides.

The amount is credited provisionally when the dispute opens, and paid by the merchant or the member when it
ends. Each step moves money once, in the engine; this room keeps who said what, and until when. States and
moves: docs/disputes.md.
"""

from obverse.disputes.errors import (
    AlreadyDisputed,
    AnswerClosed,
    AnswerPending,
    DisputeClosed,
    DisputeNotFound,
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
    Opened,
    Outcome,
    Party,
    Reason,
    State,
    Terms,
)
from obverse.disputes.rules import DOCUMENT_BYTES_MAX, MEDIA_TYPES
from obverse.disputes.service import Disputes

__all__ = [
    "DOCUMENT_BYTES_MAX",
    "MEDIA_TYPES",
    "AlreadyDisputed",
    "AnswerClosed",
    "AnswerPending",
    "Complaint",
    "Dispute",
    "DisputeClosed",
    "DisputeNotFound",
    "DisputeTooLarge",
    "DisputeTooLate",
    "Disputes",
    "Document",
    "DocumentNotAccepted",
    "NotDisputable",
    "Opened",
    "Outcome",
    "Party",
    "Reason",
    "State",
    "Terms",
    "TooManyDocuments",
]
