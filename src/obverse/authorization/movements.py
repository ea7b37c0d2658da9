"""What decisions about a payment move in the books. Pure: transfers are entered in the batch's own copy."""

from datetime import datetime

from obverse.authorization.model import Authorization, Leg, LegPlan
from obverse.kit.ids import AccountId, AuthorizationId, NewId, TransferId
from obverse.kit.money import CurrencyCode
from obverse.ledger.model import Transfer, TransferKind
from obverse.ledger.rules import Books


class Movements:
    """Enters the transfers of a payment's legs, all at the batch's time."""

    __slots__ = ("_new_id", "_now", "books")

    def __init__(self, books: Books, new_id: NewId, now: datetime) -> None:
        self.books = books
        self._new_id = new_id
        self._now = now

    def take(
        self, authorization_id: AuthorizationId, currency: CurrencyCode, leg: Leg | LegPlan, *, at_once: bool
    ) -> TransferId:
        """Hold a leg's money for the merchant, or move it for good where it was asked for at once."""
        kind = TransferKind.POSTED if at_once else TransferKind.PENDING
        accounts = (leg.debit_account_id, leg.credit_account_id)
        return self._enter(kind, accounts, leg.amount_minor, currency, authorization_id)

    def post(self, authorization: Authorization, leg: Leg, amount_minor: int) -> None:
        """Make a leg's hold final, in whole or in part; the first thing that happens to it."""
        self._resolve(authorization, leg, TransferKind.POST, amount_minor, before_minor=0)

    def void(self, authorization: Authorization, leg: Leg, *, posted_minor: int = 0) -> None:
        """Release what is left of a leg's hold after `posted_minor` of it became final."""
        rest = leg.amount_minor - posted_minor
        self._resolve(authorization, leg, TransferKind.VOID, rest, before_minor=posted_minor)

    def give_back(self, authorization: Authorization, leg: Leg, amount_minor: int) -> None:
        """Return money that was final, by a transfer the other way round: the journal is never changed."""
        accounts = (leg.credit_account_id, leg.debit_account_id)
        currency = authorization.amount.currency
        self._enter(TransferKind.POSTED, accounts, amount_minor, currency, authorization.id)

    def _resolve(
        self, authorization: Authorization, leg: Leg, kind: TransferKind, amount_minor: int, before_minor: int
    ) -> None:
        assert leg.transfer_id is not None, "only a leg that holds money is resolved"
        self.books.enter(
            Transfer(
                id=TransferId(self._new_id()),
                kind=kind,
                debit_account_id=leg.debit_account_id,
                credit_account_id=leg.credit_account_id,
                amount_minor=amount_minor,
                currency=authorization.amount.currency,
                subject_id=authorization.id,
                created_at=self._now,
                pending_id=leg.transfer_id,
                pending_minor=leg.amount_minor,
                resolved_before_minor=before_minor,
            )
        )

    def _enter(
        self,
        kind: TransferKind,
        accounts: tuple[AccountId, AccountId],
        amount_minor: int,
        currency: CurrencyCode,
        subject: AuthorizationId,
    ) -> TransferId:
        debit, credit = accounts
        transfer_id = TransferId(self._new_id())
        self.books.enter(
            Transfer(
                id=transfer_id,
                kind=kind,
                debit_account_id=debit,
                credit_account_id=credit,
                amount_minor=amount_minor,
                currency=currency,
                subject_id=subject,
                created_at=self._now,
            )
        )
        return transfer_id
