"""What can go wrong on the sandbox's own wires.

These never reach one of the platform's doors, so they are not `ObverseError`s: a partner is another company.
"""


class SandboxError(Exception):
    """The base of every refusal in the sandbox."""


class BrokenFrame(SandboxError):
    """Bytes that are not an ISO 8583 message. Names the field at fault, never the bytes."""

    def __init__(self, what: str) -> None:
        super().__init__(f"Not an ISO 8583 message: {what}.")


class Unreachable(SandboxError):
    """The far end cannot be connected to: the request never left, so nothing can have happened there."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"Cannot connect to {host}:{port}.")


class NoAnswer(SandboxError):
    """The request was sent and no answer came: it may have happened. Repeat it, or reverse it."""

    def __init__(self) -> None:
        super().__init__("No answer came. Repeat the request or reverse it.")


class KeyInUse(SandboxError):
    """A different request with the same key (DE 7, 11, 32, 37, 41) is still waiting for its answer."""

    def __init__(self) -> None:
        super().__init__("A different request with the same trace fields is still in flight.")
