"""Points accounts, rates and links: points, e-money and mileage that members have with issuers outside.

Each stays with its issuer; nothing is merged into one pot. Operators keep issuers and their rates, members
link accounts once their issuer vouches for them, and the engine makes legs of them. What accrues with use,
in the programme's own points, is `accrual/`. Source: PR-1 to PR-11.
"""

from obverse.points.courier import Courier
from obverse.points.directory import Directory
from obverse.points.errors import (
    CardTakesNoPoints,
    PointsAccountLinked,
    PointsAccountNotFound,
    PointsAccountNotProvable,
    PointsAccountUnknown,
    PointsCodeWrong,
    PointsIssuerNotFound,
    PointsIssuerSuspended,
    PointsRateNotFound,
    TooManyLookups,
    TooManyPointsAccounts,
)
from obverse.points.issuers import Issuers, issuer_secrets_rekey
from obverse.points.links import Links, points_accounts_rekey
from obverse.points.lookups import Lookups
from obverse.points.message_log import MessageLog
from obverse.points.model import (
    Account,
    AccountState,
    Holding,
    Issuer,
    IssuerChange,
    IssuerRate,
    IssuerState,
    IssuerTerms,
    MessageKind,
    MessageStatus,
    PointsMessage,
    Quote,
    QuoteLine,
    Rate,
)
from obverse.points.ports import LinkBegun, LinkIssuers, LinkProof, Trouble
from obverse.points.quotes import Quotes, Shown, ShownLine
from obverse.points.rates import IssuerRates

__all__ = [
    "Account",
    "AccountState",
    "CardTakesNoPoints",
    "Courier",
    "Directory",
    "Holding",
    "Issuer",
    "IssuerChange",
    "IssuerRate",
    "IssuerRates",
    "IssuerState",
    "IssuerTerms",
    "Issuers",
    "LinkBegun",
    "LinkIssuers",
    "LinkProof",
    "Links",
    "Lookups",
    "MessageKind",
    "MessageLog",
    "MessageStatus",
    "PointsAccountLinked",
    "PointsAccountNotFound",
    "PointsAccountNotProvable",
    "PointsAccountUnknown",
    "PointsCodeWrong",
    "PointsIssuerNotFound",
    "PointsIssuerSuspended",
    "PointsMessage",
    "PointsRateNotFound",
    "Quote",
    "QuoteLine",
    "Quotes",
    "Rate",
    "Shown",
    "ShownLine",
    "TooManyLookups",
    "TooManyPointsAccounts",
    "Trouble",
    "issuer_secrets_rekey",
    "points_accounts_rekey",
]
