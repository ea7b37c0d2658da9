"""Access: API keys - who calls, and what the caller may do.

A key is made once, shown once and kept as a keyed hash. Revoking it works within a second in every process.
A key of one merchant may do nothing that would reach past that merchant. Source: PF-4, promise P12.
"""

from obverse.access.errors import ApiKeyNotFound
from obverse.access.model import ApiKey, Scope
from obverse.access.service import Access

__all__ = ["Access", "ApiKey", "ApiKeyNotFound", "Scope"]
