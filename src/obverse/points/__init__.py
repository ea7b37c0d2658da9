"""Points accounts, rates and links: points, e-money and mileage that members have with issuers outside.

Each stays with its issuer; nothing is merged into one pot. Operators keep issuers and their rates, members
link accounts once their issuer vouches for them, and the engine makes legs of them. What accrues with use,
in the programme's own points, is `accrual/`. Source: PR-1 to PR-11.
"""

from obverse.points.model import (
    Account,
    AccountState,
    Holding,
    Issuer,
    IssuerState,
    MessageKind,
    PointsMessage,
    Quote,
    QuoteLine,
    Rate,
)

__all__ = [
    "Account",
    "AccountState",
    "Holding",
    "Issuer",
    "IssuerState",
    "MessageKind",
    "PointsMessage",
    "Quote",
    "QuoteLine",
    "Rate",
]
