"""Presentments: what we paid merchants for linked cards, claimed from the card company (OT-17).

After the cut-off of a business day every capture, refund and dispute of a linked card becomes a presentment;
one file carries them to the card company, its acknowledgement says which it takes, and one bank transfer with
the file's reference pays them. Files go out one after another. Wire format: docs/clearing-files.md.
"""

from obverse.clearing.presentments.errors import (
    NoAnswer,
    NothingRejected,
    NotRejected,
    NotTaken,
    PresentmentFileNotFound,
    PresentmentNotFound,
    TotalsDiffer,
    UnreadableAnswer,
)
from obverse.clearing.presentments.model import (
    Charge,
    Direction,
    FileState,
    PaymentState,
    Presentment,
    PresentmentFile,
    PresentmentState,
)
from obverse.clearing.presentments.ports import Acknowledgement, CardCompanyFiles, Rejection
from obverse.clearing.presentments.service import Presentments, Programme

__all__ = [
    "Acknowledgement",
    "CardCompanyFiles",
    "Charge",
    "Direction",
    "FileState",
    "NoAnswer",
    "NotRejected",
    "NotTaken",
    "NothingRejected",
    "PaymentState",
    "Presentment",
    "PresentmentFile",
    "PresentmentFileNotFound",
    "PresentmentNotFound",
    "PresentmentState",
    "Presentments",
    "Programme",
    "Rejection",
    "TotalsDiffer",
    "UnreadableAnswer",
]
