"""How much of the door any one peer may hold, and for how long."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Defaults are for calling servers and relays: few connections, much on each."""

    connections_max: int = 64
    in_flight_max: int = 256
    """Requests of one connection being decided; at the limit its socket is not read."""
    message_bytes_max: int = 64 * 1024
    introduction_s: float = 5.0
    """From the connection to the Capabilities-Exchange-Request."""
    message_s: float = 5.0
    """From the first byte of a message to its last, and for an answer to be taken."""
    watchdog_s: float = 30.0
    """Without a message, after which the peer is asked whether it is there; after as long again it is not."""
