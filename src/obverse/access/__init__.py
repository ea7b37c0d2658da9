"""Access: API keys - who calls, and what the caller may do.

A key is made once, shown once and kept as a keyed hash. Revoking it works within a second in every process;
rotating it gives a successor, and the old one some time to go.
A key of one merchant may do nothing that would reach past that merchant. Source: PF-4, promise P12.
"""

from obverse.access.errors import ApiKeyNotFound, ApiKeyOver
from obverse.access.model import ApiKey, Scope
from obverse.access.rules import MERCHANT_SCOPES
from obverse.access.service import Access

__all__ = ["MERCHANT_SCOPES", "Access", "ApiKey", "ApiKeyNotFound", "ApiKeyOver", "Scope"]
