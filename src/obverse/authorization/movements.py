"""What decisions about a payment move in the books. Pure: transfers are entered in the batch's own copy."""

from datetime import datetime

from obverse.authorization.model import Authorization, Leg, LegPlan
from obverse.kit.ids import AccountId, AuthorizationId, NewId, TransferId
from obverse.kit.money import CurrencyCode
from obverse.ledger.model import AccountKind, Transfer, TransferKind
from obverse.ledger.rules import Books, house_account


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

    def take_late(self, authorization: Authorization, leg: Leg, amount_minor: int) -> None:
        """Move money for good whose hold was released long ago."""
        self._post(authorization, leg.debit_account_id, leg.credit_account_id, amount_minor)

    def post(self, authorization: Authorization, leg: Leg, amount_minor: int) -> None:
        """Make (a part of) what a leg still holds final."""
        self._resolve(authorization, leg, TransferKind.POST, amount_minor)

    def void(self, authorization: Authorization, leg: Leg, amount_minor: int) -> None:
        """Release (a part of) what a leg still holds."""
        self._resolve(authorization, leg, TransferKind.VOID, amount_minor)

    def give_back(self, authorization: Authorization, leg: Leg, amount_minor: int) -> None:
        """Return money that was final, by a transfer the other way round: the journal is never changed."""
        self._post(authorization, leg.credit_account_id, leg.debit_account_id, amount_minor)

    # disputes: money goes by way of the programme's own account until somebody is found to owe it ------

    def credit_provisionally(
        self, authorization: Authorization, leg: Leg, amount_minor: int, *, hold: bool
    ) -> TransferId | None:
        """Credit the leg's source; with `hold` the same amount is reserved, so that it cannot be spent."""
        disputed = self._disputed(authorization)
        self._post(authorization, disputed, leg.debit_account_id, amount_minor)
        if not hold:
            return None
        accounts = (leg.debit_account_id, disputed)
        currency = authorization.amount.currency
        return self._enter(TransferKind.PENDING, accounts, amount_minor, currency, authorization.id)

    def merchant_pays(self, authorization: Authorization, leg: Leg) -> None:
        """The provisional credit stays, and the merchant owes it."""
        if leg.dispute_hold_id is not None:
            self._resolve_dispute(authorization, leg, TransferKind.VOID)
        disputed = self._disputed(authorization)
        self._post(authorization, leg.credit_account_id, disputed, leg.disputed_minor)

    def member_pays(self, authorization: Authorization, leg: Leg) -> None:
        """The provisional credit is taken back."""
        if leg.dispute_hold_id is not None:
            self._resolve_dispute(authorization, leg, TransferKind.POST)
        else:
            disputed = self._disputed(authorization)
            self._post(authorization, leg.debit_account_id, disputed, leg.disputed_minor)

    def _disputed(self, authorization: Authorization) -> AccountId:
        currency = authorization.amount.currency
        return house_account(AccountKind.DISPUTED, authorization.partition_id, currency).id

    def _resolve_dispute(self, authorization: Authorization, leg: Leg, kind: TransferKind) -> None:
        self._enter_resolution(
            authorization,
            kind,
            (leg.debit_account_id, self._disputed(authorization)),
            leg.disputed_minor,
            pending=(leg.dispute_hold_id, leg.disputed_minor),
            before_minor=0,
        )

    def _resolve(self, authorization: Authorization, leg: Leg, kind: TransferKind, amount_minor: int) -> None:
        self._enter_resolution(
            authorization,
            kind,
            (leg.debit_account_id, leg.credit_account_id),
            amount_minor,
            pending=(leg.transfer_id, leg.amount_minor),
            before_minor=leg.captured_minor + leg.released_minor,
        )

    def _enter_resolution(
        self,
        authorization: Authorization,
        kind: TransferKind,
        accounts: tuple[AccountId, AccountId],
        amount_minor: int,
        *,
        pending: tuple[TransferId | None, int],
        before_minor: int,
    ) -> None:
        debit, credit = accounts
        pending_id, pending_minor = pending
        assert pending_id is not None, "only what holds money is resolved"
        self.books.enter(
            Transfer(
                id=TransferId(self._new_id()),
                kind=kind,
                debit_account_id=debit,
                credit_account_id=credit,
                amount_minor=amount_minor,
                currency=authorization.amount.currency,
                subject_id=authorization.id,
                created_at=self._now,
                pending_id=pending_id,
                pending_minor=pending_minor,
                resolved_before_minor=before_minor,
            )
        )

    def _post(
        self, authorization: Authorization, debit: AccountId, credit: AccountId, amount_minor: int
    ) -> None:
        currency = authorization.amount.currency
        self._enter(TransferKind.POSTED, (debit, credit), amount_minor, currency, authorization.id)

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
