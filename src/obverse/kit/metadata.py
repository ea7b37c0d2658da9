"""Free text that integrators hang on what they create, and that we keep without reading."""

from collections.abc import Mapping
from typing import Final

from obverse.kit.errors import InvalidRequest

ENTRIES_MAX: Final = 50
KEY_LENGTH_MAX: Final = 40
VALUE_LENGTH_MAX: Final = 500


def check_metadata(metadata: Mapping[str, str], param: str = "metadata") -> None:
    """Refuse metadata that is too large or cannot be stored. Raises `InvalidRequest`."""
    if len(metadata) > ENTRIES_MAX:
        raise InvalidRequest(f"At most {ENTRIES_MAX} entries.", param)
    for key, value in metadata.items():
        if not (0 < len(key) <= KEY_LENGTH_MAX and len(value) <= VALUE_LENGTH_MAX):
            raise InvalidRequest(
                f"Keys have 1 to {KEY_LENGTH_MAX} characters, values at most {VALUE_LENGTH_MAX}.", param
            )
        if not (is_storable(key) and is_storable(value)):
            raise InvalidRequest("Text must be valid Unicode without NUL characters.", param)


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can keep this text: no NUL, and no half of a surrogate pair."""
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
