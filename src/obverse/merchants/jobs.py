"""What the merchants room does in the background."""

from obverse.kit.ids import MerchantId
from obverse.kit.resealing import Resealing
from obverse.merchants import repository
from obverse.merchants.accounts import account_context
from obverse.merchants.ports import AccountVault


def payout_accounts_rekey(vault: AccountVault) -> Resealing[MerchantId]:
    """Merchants' bank account numbers follow when keys change."""
    return Resealing("payout accounts", vault, repository, account_context)
