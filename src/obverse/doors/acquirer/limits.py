"""How much of the door any one caller may hold, and for how long."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Defaults are for acquirers and clearing houses: few connections, much on each."""

    connections_max: int = 256
    """A connection counts until its last request is answered, so that reconnecting frees nothing."""
    in_flight_max: int = 512
    """Requests of one connection being decided; at the limit its socket is not read."""
    request_timeout_s: float = 8.0
    """After this a request is answered 96 and undone; longer than the off-us deadline plus a commit."""
    message_timeout_s: float = 5.0
    """From the first byte of a message to its last."""
    idle_timeout_s: float = 300.0
    """Without a message; an echo test (0800, 301) keeps a connection open."""
    slow_reader_timeout_s: float = 5.0
    """How long answers may wait for a caller that does not read them."""
    answers_waiting_bytes: int = 64 * 1024
    """Unread answers from which on a caller counts as slow, and is not listened to."""
    tick_s: float = 0.1
    """How often the above are looked at: one timer for the door rather than one per request."""
