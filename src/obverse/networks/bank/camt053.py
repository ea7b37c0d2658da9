"""camt.053: what the bank has booked on an account in a day (ISO 20022, versions 001.02 to 001.08)."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from lxml import etree
from msgspec.structs import replace

from obverse.kit.errors import InvalidRequest
from obverse.kit.money import AMOUNT_MINOR_MAX, CurrencyCode, currency_exists, minor_digits
from obverse.kit.secret import Secret
from obverse.networks.bank.xml import all_of, text_at
from obverse.treasury.errors import StatementUnreadable
from obverse.treasury.model import BankAccount, Direction, Statement, StatementEntry
from obverse.treasury.rules import check_bank_account

_TEXT_MAX: Final = 500
_NAME_MAX: Final = 70
_REFERENCE_MAX: Final = 100
_DECIMAL: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{1,5})?", re.ASCII)
_BOOKED: Final = "BOOK"
_DIRECTIONS: Final = {"CRDT": Direction.CREDIT, "DBIT": Direction.DEBIT}


class StatementBuilder:
    """Collects one statement: its entries as they come, and the rest when it ends."""

    def __init__(self) -> None:
        self._entries: list[StatementEntry] = []
        self._currencies: set[str] = set()

    def add(self, element: etree._Element) -> None:
        """Read one `Ntry`; what is not booked yet is left for the statement in which it is."""
        if text_at(element, "Sts/Cd", "Sts") == _BOOKED:
            entry, currency = _entry(element)
            self._currencies.add(currency)
            self._entries.extend(_parts(element, entry, currency))

    def build(self, element: etree._Element) -> Statement:
        """Read the `Stmt` around the entries. Raises `StatementUnreadable`."""
        balances = {_balance_kind(balance): balance for balance in all_of(element, "Bal")}
        opening, closing = balances.get("OPBD", balances.get("PRCD")), balances.get("CLBD")
        if opening is None or closing is None:
            raise StatementUnreadable("it has no opening or no closing balance")
        closing_minor, currency = _signed(closing)
        opening_minor, opening_currency = _signed(opening)
        if {opening_currency, *self._currencies} - {currency}:
            raise StatementUnreadable("its amounts are in several currencies")
        number = text_at(element, "Acct/Id/Othr/Id", "Acct/Id/IBAN")
        return Statement(
            id=_required(text_at(element, "Id"), "id"),
            account_number=Secret(_required(number, "account").replace("-", "")),
            currency=CurrencyCode(currency),
            day=_day(closing, "Dt/Dt", "Dt/DtTm"),
            opening_minor=opening_minor,
            closing_minor=closing_minor,
            entries=tuple(self._entries),
        )


def _entry(element: etree._Element) -> tuple[StatementEntry, str]:
    amount_minor, currency = _amount(element, "Amt")
    direction = _direction(element)
    booked_on = _day(element, "BookgDt/Dt", "BookgDt/DtTm")
    details = all_of(element, "NtryDtls/TxDtls")
    told = _told(details[0], direction) if len(details) == 1 else {}
    entry = StatementEntry(
        reference=_reference(element, booked_on),
        direction=direction,
        amount_minor=amount_minor,
        booked_on=booked_on,
        end_to_end_id=None,
        text=_clean(text_at(element, "AddtlNtryInf") or "", _TEXT_MAX),
        counterparty="",
        account=None,
    )
    return replace(entry, **told), currency


def _reference(element: etree._Element, booked_on: date) -> str:
    """What tells this entry from all others: the bank's reference, or the entry's own within its day."""
    by_bank = text_at(element, "AcctSvcrRef", "NtryDtls/TxDtls/Refs/AcctSvcrRef")
    own = text_at(element, "NtryRef")
    reference = by_bank or (own and f"{booked_on}/{own}")
    return _required(reference, "reference of an entry")


def _parts(element: etree._Element, entry: StatementEntry, currency: str) -> Sequence[StatementEntry]:
    """An entry that stands for several payments as one entry for each, where they add up to it."""
    details = all_of(element, "NtryDtls/TxDtls")
    if len(details) < 2:
        return [entry]
    parts = list(_read_parts(details, entry, currency))
    whole = len(parts) == len(details) and sum(part.amount_minor for part in parts) == entry.amount_minor
    return parts if whole else [entry]


def _read_parts(
    details: Sequence[etree._Element], entry: StatementEntry, currency: str
) -> Iterator[StatementEntry]:
    for number, detail in enumerate(details, 1):
        path = "Amt" if all_of(detail, "Amt") else "AmtDtls/TxAmt/Amt"
        if all_of(detail, path):
            amount_minor, own_currency = _amount(detail, path)
            if own_currency == currency:
                told = _told(detail, entry.direction)
                reference = f"{entry.reference}/{number}"
                yield replace(entry, reference=reference, amount_minor=amount_minor, **told)


def _told(detail: etree._Element, direction: Direction) -> dict[str, object]:
    """What one `TxDtls` says of its payment."""
    party = "Dbtr" if direction is Direction.CREDIT else "Cdtr"
    lines = [found.text or "" for found in all_of(detail, "RmtInf/Ustrd")]
    lines += [found.text or "" for found in all_of(detail, "RmtInf/Strd/CdtrRefInf/Ref")]
    name = text_at(detail, f"RltdPties/{party}/Nm", f"RltdPties/{party}/Pty/Nm") or ""
    told: dict[str, object] = {
        "end_to_end_id": text_at(detail, "Refs/EndToEndId"),
        "counterparty": _clean(name, _NAME_MAX),
        "account": _account(detail, party, name),
    }
    return told | ({"text": _clean(" ".join(lines), _TEXT_MAX)} if lines else {})


def _account(detail: etree._Element, party: str, name: str) -> BankAccount | None:
    """The other side's account, where it is one that money could be sent back to."""
    code = text_at(detail, f"RltdAgts/{party}Agt/FinInstnId/ClrSysMmbId/MmbId") or ""
    number = text_at(detail, f"RltdPties/{party}Acct/Id/Othr/Id") or ""
    account = BankAccount(code, Secret(number.replace("-", "")), _clean(name, _NAME_MAX))
    try:
        return check_bank_account(account)
    except InvalidRequest:
        return None


def _balance_kind(balance: etree._Element) -> str | None:
    return text_at(balance, "Tp/CdOrPrtry/Cd")


def _signed(balance: etree._Element) -> tuple[int, str]:
    minor, currency = _amount(balance, "Amt", zero=True)
    return (minor if _direction(balance) is Direction.CREDIT else -minor), currency


def _direction(element: etree._Element) -> Direction:
    direction = _DIRECTIONS.get(text_at(element, "CdtDbtInd") or "")
    if direction is None:
        raise StatementUnreadable("an amount is neither credit nor debit")
    return direction


def _amount(element: etree._Element, path: str, *, zero: bool = False) -> tuple[int, str]:
    found = all_of(element, path)
    currency = found[0].get("Ccy", "") if found else ""
    if not currency_exists(currency):
        raise StatementUnreadable("an amount has no currency of ISO 4217")
    text = (found[0].text or "").strip()
    if not _DECIMAL.fullmatch(text):
        raise StatementUnreadable("an amount is not a number")
    amount = Decimal(text).scaleb(minor_digits(CurrencyCode(currency)))
    if amount != int(amount) or not (0 if zero else 1) <= amount <= AMOUNT_MINOR_MAX:
        raise StatementUnreadable("an amount is none that its currency can have")
    return int(amount), currency


def _day(element: etree._Element, *paths: str) -> date:
    try:
        return date.fromisoformat((text_at(element, *paths) or "")[:10])
    except ValueError:
        raise StatementUnreadable("a date is missing or is none") from None


def _required(text: str | None, what: str) -> str:
    if text is None or len(text) > _REFERENCE_MAX:
        raise StatementUnreadable(f"the {what} is missing or too long")
    return text


def _clean(text: str, length_max: int) -> str:
    """One printable line."""
    return "".join(c if c.isprintable() else " " for c in text).strip()[:length_max]
