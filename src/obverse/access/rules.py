"""Pure decisions about keys: what a token looks like, and which scopes may stand together."""

import re
from collections.abc import Callable, Collection
from typing import Final

from obverse.access.model import Scope
from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import Secret

NAME_MAX: Final = 100
TOKEN_CHARACTERS: Final = 32
"""190 bits: not to be guessed, so tokens need no slow hash."""

MERCHANT_SCOPES: Final = frozenset({Scope.PAYMENTS})
"""What one merchant bounds: cards and members belong to no merchant, and onboarding makes other merchants."""

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FAIR_BELOW: Final = 256 // 62 * 62
_TOKEN: Final = re.compile(rf"ob_(test|live)_sk_[0-9A-Za-z]{{{TOKEN_CHARACTERS}}}")


def make_token(live: bool, random_bytes: Callable[[int], bytes]) -> Secret:
    """A fresh token, `ob_test_sk_...` or `ob_live_sk_...`, every character equally likely."""
    characters: list[str] = []
    while len(characters) < TOKEN_CHARACTERS:
        # Bytes past the last multiple of 62 would favour the first letters of the alphabet.
        characters += [_BASE62[byte % 62] for byte in random_bytes(TOKEN_CHARACTERS) if byte < _FAIR_BELOW]
    prefix = "ob_live_sk_" if live else "ob_test_sk_"
    return Secret(prefix + "".join(characters[:TOKEN_CHARACTERS]))


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
