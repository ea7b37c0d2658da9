"""The engine: one decision for every payment, whatever stand-in is shown at whatever door.

`rules.py` decides; `batch.py`, and `actions.py` for what follows an approval, apply the rules to many
commands at once and note what comes of it in their `draft.py`. `loading.py` and `saving.py` are the two ends
at the database, `core.py` carries batches out, `service.py` (with `steps.py`) is the `Engine` that doors
call, `jobs.py` finishes what a crash or a silent card company left open. Source: PF-1,
docs/decisions/005-engine-batches.md.
"""

from obverse.authorization.core import EngineSettings
from obverse.authorization.inputs import Makers
from obverse.authorization.model import (
    Action,
    ActionKind,
    Authorization,
    AuthorizationRequest,
    Decision,
    Decline,
    Entry,
    Purpose,
    Rule,
    Status,
)
from obverse.authorization.service import Engine

__all__ = [
    "Action",
    "ActionKind",
    "Authorization",
    "AuthorizationRequest",
    "Decision",
    "Decline",
    "Engine",
    "EngineSettings",
    "Entry",
    "Makers",
    "Purpose",
    "Rule",
    "Status",
]
