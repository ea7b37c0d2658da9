"""Why the ledger refuses a transfer."""

from obverse.kit.errors import ObverseError
from obverse.kit.ids import AccountId, TransferId


class TransferRefused(ObverseError):
    """A transfer that would break a rule of the books; nothing of it is stored."""

    code = "transfer_refused"

    def __init__(self, transfer_id: TransferId, reason: str) -> None:
        self.transfer_id = transfer_id
        super().__init__(f"Transfer {transfer_id} refused: {reason}")


class UnknownAccount(TransferRefused):
    """One of the two accounts does not exist in this partition."""

    code = "unknown_account"

    def __init__(self, transfer_id: TransferId, account_id: AccountId) -> None:
        super().__init__(transfer_id, f"there is no account {account_id}.")


class CurrencyMismatch(TransferRefused):
    """Both accounts and the transfer must be in one currency."""

    code = "currency_mismatch"

    def __init__(self, transfer_id: TransferId) -> None:
        super().__init__(transfer_id, "the accounts and the transfer are not all in one currency.")


class InsufficientFunds(TransferRefused):
    """The debit account would fall below its floor, holds included."""

    code = "insufficient_funds"

    def __init__(self, transfer_id: TransferId, account_id: AccountId) -> None:
        super().__init__(transfer_id, f"account {account_id} does not have that much available.")


class NothingPending(TransferRefused):
    """The pending transfer does not exist, has other accounts, or has less left than was to be resolved."""

    code = "nothing_pending"

    def __init__(self, transfer_id: TransferId) -> None:
        super().__init__(transfer_id, "there is not that much left of the pending transfer it names.")
