"""Access: API keys - who calls, and what the caller may do.

A key is made once, shown once and kept as a keyed hash. Revoking it works within a second in every process;
rotating it gives a successor, and the old one some time to go.
A key of one merchant, or of one points issuer, may do nothing that would reach past it. Source: PF-4, PR-9,
promise P12.
"""

from obverse.access.errors import ApiKeyNotFound, ApiKeyOver
from obverse.access.model import ApiKey, Scope
from obverse.access.rules import ISSUER_SCOPES, MERCHANT_SCOPES
from obverse.access.service import Access

__all__ = [
    "ISSUER_SCOPES",
    "MERCHANT_SCOPES",
    "Access",
    "ApiKey",
    "ApiKeyNotFound",
    "ApiKeyOver",
    "Scope",
]
