"""The metering room's refusals. A session that the card does not allow is declined, which is an answer."""

from obverse.kit.errors import NotFound, ObverseError


class SessionNotFound(NotFound):
    """No session with that id or reference, or none of this merchant (P12)."""

    code = "metered_session_not_found"

    def __init__(self) -> None:
        super().__init__("metered session")


class SessionOver(ObverseError):
    """Nothing more is reserved for a session that has ended; what it cost stands."""

    code = "metered_session_over"

    def __init__(self) -> None:
        super().__init__("This session has ended. Open a new one.")


class MeteredPayment(ObverseError):
    """What a session has reserved is captured by the session, for what was used."""

    code = "metered_payment"

    def __init__(self) -> None:
        super().__init__("This payment belongs to a metered session. Report what was used, or close it.")


class TariffNotFound(NotFound):
    """The merchant has no tariff of that name in effect."""

    code = "tariff_not_found"

    def __init__(self) -> None:
        super().__init__("tariff in effect", "tariff")


class TariffExists(ObverseError):
    """A tariff is never changed: a new price begins at another moment."""

    code = "tariff_exists"
    param = "effective_from"

    def __init__(self) -> None:
        super().__init__("There is a tariff of this name from that moment on, with other prices.")


class CallingServerTaken(ObverseError):
    """Another merchant's calling server has that name."""

    code = "calling_server_taken"
    param = "origin_host"

    def __init__(self) -> None:
        super().__init__("Another merchant's calling server has this name.")
