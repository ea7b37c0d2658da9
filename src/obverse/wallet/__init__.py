"""The wallet: what pays behind a member's cards.

Registration, because a member begins with a first funding source; linked cards, proved to be the member's
own at their card company; credit lines; and cards issued against them. Source: OT-1 to OT-4, OT-12, OT-13.
"""

from obverse.wallet.balances import Balances
from obverse.wallet.errors import (
    CardAlreadyLinked,
    CardNotVerified,
    CreditLineExists,
    RegistrationRefused,
    SourceNotActive,
    SourceNotFound,
)
from obverse.wallet.model import (
    REFUNDABLE_LOTS,
    STORED,
    CardDetails,
    CardWish,
    Funding,
    Lot,
    LotBalance,
    LotKind,
    Source,
    SourceKind,
    SourceState,
    Terms,
)
from obverse.wallet.ports import CardCheck, CheckResult, CreditBureau, CreditStanding
from obverse.wallet.service import Wallet

__all__ = [
    "REFUNDABLE_LOTS",
    "STORED",
    "Balances",
    "CardAlreadyLinked",
    "CardCheck",
    "CardDetails",
    "CardNotVerified",
    "CardWish",
    "CheckResult",
    "CreditBureau",
    "CreditLineExists",
    "CreditStanding",
    "Funding",
    "Lot",
    "LotBalance",
    "LotKind",
    "RegistrationRefused",
    "Source",
    "SourceKind",
    "SourceNotActive",
    "SourceNotFound",
    "SourceState",
    "Terms",
    "Wallet",
]
