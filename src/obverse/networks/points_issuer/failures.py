"""What may go wrong between an issuer and us."""


class IssuerFailed(Exception):
    """No answer that could be used. Not sent means that nothing can have happened there."""

    def __init__(self, *, is_sent: bool, is_late: bool = False) -> None:
        self.is_sent = is_sent
        self.is_late = is_late
        super().__init__()


class Refused(IssuerFailed):
    """It answered that it will not carry out the request, which says nothing against the issuer."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(is_sent=True)
