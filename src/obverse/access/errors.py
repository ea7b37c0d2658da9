"""The refusals of access."""

from obverse.kit.errors import NotFound


class ApiKeyNotFound(NotFound):
    """No key of this merchant (or none at all) has that id."""

    code = "api_key_not_found"

    def __init__(self) -> None:
        super().__init__("API key", "id")
