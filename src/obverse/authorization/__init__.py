"""The engine: one decision for every payment, whatever stand-in is shown at whatever door.

`rules.py` decides, `batch.py` applies the rules to many commands at once and notes what comes of it in its
`draft.py`, `loading.py` and `saving.py` are its two ends at the database, `service.py` is the `Engine` that
doors call, `jobs.py` finishes what a crash or a silent card company left open. Source: PF-1,
docs/decisions/005-engine-batches.md.
"""

from obverse.authorization.inputs import Makers
from obverse.authorization.model import (
    Authorization,
    AuthorizationRequest,
    Decision,
    Decline,
    Entry,
    Rule,
    Status,
)
from obverse.authorization.service import Engine, EngineSettings

__all__ = [
    "Authorization",
    "AuthorizationRequest",
    "Decision",
    "Decline",
    "Engine",
    "EngineSettings",
    "Entry",
    "Makers",
    "Rule",
    "Status",
]
