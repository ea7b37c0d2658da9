"""Claims: what merchants ask to be paid, matched to what was approved, and paid once (OT-16).

By whatever road a claim comes - a file, a terminal's batch, REST, a completion - the engine carries it out
under a key made of merchant and reference. What cannot be paid is kept with its reason; what needs a person
waits in the list of exceptions. No card number is kept. Wire format of files: docs/claim-files.md.
"""

from obverse.clearing.claims.errors import ClaimDecided, ClaimFileNotFound, ClaimNotFound
from obverse.clearing.claims.files import ClaimFiles
from obverse.clearing.claims.jobs import FileWork
from obverse.clearing.claims.model import (
    Attempt,
    BatchTotals,
    Bucket,
    Claim,
    ClaimFile,
    ClaimKind,
    ClaimRecord,
    Count,
    FileProblem,
    FileState,
    Outcome,
    Reason,
    Road,
    TerminalBatch,
    Verdict,
)
from obverse.clearing.claims.rules import own_payment, told
from obverse.clearing.claims.service import Claims

__all__ = [
    "Attempt",
    "BatchTotals",
    "Bucket",
    "Claim",
    "ClaimDecided",
    "ClaimFile",
    "ClaimFileNotFound",
    "ClaimFiles",
    "ClaimKind",
    "ClaimNotFound",
    "ClaimRecord",
    "Claims",
    "Count",
    "FileProblem",
    "FileState",
    "FileWork",
    "Outcome",
    "Reason",
    "Road",
    "TerminalBatch",
    "Verdict",
    "own_payment",
    "told",
]
