"""The refusals of access."""

from obverse.kit.errors import NotFound, ObverseError


class ApiKeyNotFound(NotFound):
    """No key of this merchant (or none at all) has that id."""

    code = "api_key_not_found"

    def __init__(self) -> None:
        super().__init__("API key", "id")


class ApiKeyOver(ObverseError):
    """A key is rotated once: one that was stolen must not go on by making itself a successor."""

    code = "api_key_over"

    def __init__(self) -> None:
        super().__init__("This key was rotated or revoked before. Make a new one.")
