"""What keys that turn over need of this room."""

from obverse.kit.ids import SaleId
from obverse.kit.resealing import Resealing
from obverse.sales import repository
from obverse.sales.returning import payer_context
from obverse.vault import Vault


def sales_rekey(vault: Vault) -> Resealing[SaleId]:
    """Payers' bank accounts follow when keys change."""
    return Resealing("payers of sales", vault, repository, payer_context)
