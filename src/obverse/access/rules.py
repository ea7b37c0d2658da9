"""Pure decisions about keys: what a token looks like, and which scopes may stand together."""

import re
from collections.abc import Collection
from typing import Final

from obverse.access.model import Scope
from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import TOKEN_CHARACTERS, Secret

NAME_MAX: Final = 100

MERCHANT_SCOPES: Final = frozenset({Scope.PAYMENTS})
"""What one merchant bounds: cards and members belong to no merchant, and onboarding makes other merchants."""

_TOKEN: Final = re.compile(rf"ob_(test|live)_sk_[0-9A-Za-z]{{{TOKEN_CHARACTERS}}}")


def token_prefix(live: bool) -> str:
    """What a key's token begins with: it says for which world the key is."""
    return "ob_live_sk_" if live else "ob_test_sk_"


def looks_like_token(token: Secret) -> bool:
    """Whether it is worth asking the database about."""
    return _TOKEN.fullmatch(token.reveal()) is not None


def check_key(name: str, scopes: Collection[Scope], for_merchant: bool) -> None:
    """Raises `InvalidRequest` for a key that must not exist."""
    if not 1 <= len(name.strip()) <= NAME_MAX:
        raise InvalidRequest(f"Give the key a name of 1 to {NAME_MAX} characters.", "name")
    if not scopes:
        raise InvalidRequest("A key needs at least one scope.", "scopes")
    if for_merchant and not MERCHANT_SCOPES.issuperset(scopes):
        allowed = ", ".join(sorted(MERCHANT_SCOPES))
        raise InvalidRequest(f"A merchant's key may have these scopes only: {allowed}.", "scopes")
