"""Where merchants are paid: bank accounts whose numbers are sealed, from the door to the bank's wire."""

from obverse.kit.bank_accounts import check_bank_account
from obverse.kit.database import Connection
from obverse.kit.ids import MerchantId
from obverse.merchants import repository
from obverse.merchants.model import BankAccount, SealedAccount
from obverse.merchants.ports import AccountVault


class Accounts:
    """The bank accounts of merchants, and of those who may become one."""

    def __init__(self, vault: AccountVault) -> None:
        self._vault = vault

    async def keep(self, conn: Connection, merchant_id: MerchantId, account: BankAccount) -> SealedAccount:
        """Seal and store in the caller's commit. Raises `InvalidRequest`."""
        check_bank_account(account.bank_code, account.number, account.holder)
        await self._vault.pin_keys(conn)
        sealed = SealedAccount(
            bank_code=account.bank_code,
            holder=account.holder,
            last_four=account.number.reveal()[-4:],
            number=self._vault.seal(account.number, account_context(merchant_id)),
        )
        await repository.save_account(conn, merchant_id, sealed)
        return sealed

    def open(self, merchant_id: MerchantId, sealed: SealedAccount) -> BankAccount:
        """The account in the clear, for the bank only."""
        number = self._vault.open(sealed.number, account_context(merchant_id))
        return BankAccount(sealed.bank_code, number, sealed.holder)


def account_context(merchant_id: MerchantId) -> bytes:
    """What binds a sealed account number to its row."""
    return f"merchant_payout:{merchant_id}".encode()
