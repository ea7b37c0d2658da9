"""The wallet: what pays behind a member's cards.

Registration, because a member begins with a first funding source; linked cards, proved to be the member's
own at their card company; credit lines; and cards issued against them. Source: OT-1 to OT-4, OT-12, OT-13.
"""

from obverse.wallet.balances import Balances
from obverse.wallet.bank_accounts import BankAccounts, bank_accounts_rekey
from obverse.wallet.batch_model import BatchCount, BatchState, BatchWish, CardBatch, MadeCard
from obverse.wallet.batches import CardBatches, batch_seeds_rekey
from obverse.wallet.card_funding import CardFunding
from obverse.wallet.errors import (
    BankAccountLinked,
    BankAccountNotFound,
    BankAccountNotProvable,
    BankCodeWrong,
    BatchClosed,
    BatchExported,
    BatchNotFound,
    CardAlreadyLinked,
    CardNotVerified,
    CreditLineExists,
    NoAgent,
    RegistrationRefused,
    SourceNotActive,
    SourceNotFound,
    TooManyBankAccounts,
)
from obverse.wallet.model import (
    REFUNDABLE_LOTS,
    STORED,
    BankAccountState,
    CardDetails,
    CardWish,
    Draining,
    Funding,
    LinkedAccount,
    Lot,
    LotBalance,
    LotKind,
    MonthEnd,
    Source,
    SourceKind,
    SourceState,
    Terms,
)
from obverse.wallet.ports import CardCheck, CheckResult, CreditBureau, CreditStanding
from obverse.wallet.registered_cards import RegisteredCards, RegistrationWish
from obverse.wallet.rules import FOR_NEW_CARDS
from obverse.wallet.service import Wallet
from obverse.wallet.stand_ins import StandIns, StandInWish

__all__ = [
    "FOR_NEW_CARDS",
    "REFUNDABLE_LOTS",
    "STORED",
    "Balances",
    "BankAccountLinked",
    "BankAccountNotFound",
    "BankAccountNotProvable",
    "BankAccountState",
    "BankAccounts",
    "BankCodeWrong",
    "BatchClosed",
    "BatchCount",
    "BatchExported",
    "BatchNotFound",
    "BatchState",
    "BatchWish",
    "CardAlreadyLinked",
    "CardBatch",
    "CardBatches",
    "CardCheck",
    "CardDetails",
    "CardFunding",
    "CardNotVerified",
    "CardWish",
    "CheckResult",
    "CreditBureau",
    "CreditLineExists",
    "CreditStanding",
    "Draining",
    "Funding",
    "LinkedAccount",
    "Lot",
    "LotBalance",
    "LotKind",
    "MadeCard",
    "MonthEnd",
    "NoAgent",
    "RegisteredCards",
    "RegistrationRefused",
    "RegistrationWish",
    "Source",
    "SourceKind",
    "SourceNotActive",
    "SourceNotFound",
    "SourceState",
    "StandInWish",
    "StandIns",
    "Terms",
    "TooManyBankAccounts",
    "Wallet",
    "bank_accounts_rekey",
    "batch_seeds_rekey",
]
