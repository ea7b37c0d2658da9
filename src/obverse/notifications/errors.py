"""The refusals of notifications."""

from obverse.kit.errors import NotFound, ObverseError


class EndpointNotFound(NotFound):
    """No webhook endpoint with that id, or none that the caller may see (P12)."""

    code = "webhook_endpoint_not_found"

    def __init__(self) -> None:
        super().__init__("webhook endpoint", "id")


class DeliveryNotFound(NotFound):
    """This endpoint has no delivery with that id; deliveries are kept for some weeks."""

    code = "webhook_delivery_not_found"

    def __init__(self) -> None:
        super().__init__("delivery", "id")


class EndpointDisabled(ObverseError):
    """Nothing is sent to a disabled endpoint."""

    code = "webhook_endpoint_disabled"

    def __init__(self) -> None:
        super().__init__("The endpoint is disabled. Enable it first.")


class TooManyEndpoints(ObverseError):
    """Every endpoint multiplies every event."""

    code = "too_many_webhook_endpoints"

    def __init__(self, most: int) -> None:
        super().__init__(f"There may be {most} endpoints at most. Delete one first.")


class ReplayRunning(ObverseError):
    """One replay of an endpoint at a time."""

    code = "webhook_replay_running"

    def __init__(self) -> None:
        super().__init__("A replay for this endpoint is still running.")
