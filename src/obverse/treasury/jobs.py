"""Account numbers follow when keys change: recipients' of transfers, senders' of receipts."""

from collections.abc import Sequence

from obverse.kit.resealing import Resealing
from obverse.treasury.ports import AccountVault
from obverse.treasury.repository import receipts, transfers
from obverse.treasury.service import receipt_context, transfer_context
from obverse.vault.ports import Rekey


def rekeys(vault: AccountVault) -> Sequence[Rekey]:
    """Everything in this room that is sealed."""
    return (
        Resealing("bank transfers", vault, transfers, transfer_context),
        Resealing("receipts", vault, receipts, receipt_context),
    )
