"""What keys that turn over need of this room."""

from obverse.draws import repository
from obverse.draws.service import account_context
from obverse.kit.ids import DrawId
from obverse.kit.resealing import Resealing
from obverse.vault import Vault


def draws_rekey(vault: Vault) -> Resealing[DrawId]:
    """Accounts of draws under way follow when keys change."""
    return Resealing("accounts of draws", vault, repository, account_context)
