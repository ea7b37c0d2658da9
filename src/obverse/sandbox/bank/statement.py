"""Statements in camt.053.001.02, written with the standard library alone."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from obverse.kit.money import CurrencyCode, Money, as_decimal
from obverse.sandbox.bank.model import BankAccount, Entry

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"


def write(
    account: BankAccount,
    currency: str,
    day: date,
    opening_minor: int,
    entries: Sequence[Entry],
    created: datetime,
    id_: str,
) -> bytes:
    """One account on one day: opening balance, entries, closing balance."""
    document = Element("Document", xmlns=NAMESPACE)
    root = SubElement(document, "BkToCstmrStmt")
    header = SubElement(root, "GrpHdr")
    _add(header, "MsgId", id_)
    _add(header, "CreDtTm", created.isoformat(timespec="seconds"))
    statement = SubElement(root, "Stmt")
    _add(statement, "Id", id_)
    _add(statement, "CreDtTm", created.isoformat(timespec="seconds"))
    _add(statement, "Acct/Id/Othr/Id", account.number)
    closing_minor = opening_minor + sum({entry.reference: entry.amount_minor for entry in entries}.values())
    for kind, minor in (("OPBD", opening_minor), ("CLBD", closing_minor)):
        balance = SubElement(statement, "Bal")
        _add(balance, "Tp/CdOrPrtry/Cd", kind)
        _add_amount(balance, minor, currency)
        _add(balance, "Dt/Dt", day.isoformat())
    for entry in entries:
        _add_entry(statement, entry, currency)
    text: bytes = ElementTree.tostring(document, encoding="utf-8", xml_declaration=True)
    return text


def _add_entry(statement: Element, entry: Entry, currency: str) -> None:
    element = SubElement(statement, "Ntry")
    _add_amount(element, entry.amount_minor, currency)
    _add(element, "Sts", "BOOK")
    _add(element, "BookgDt/Dt", entry.booked_on.isoformat())
    _add(element, "ValDt/Dt", entry.booked_on.isoformat())
    _add(element, "AcctSvcrRef", entry.reference)
    _add(element, "BkTxCd/Prtry/Cd", "TRF")
    details = SubElement(SubElement(element, "NtryDtls"), "TxDtls")
    _add(details, "Refs/EndToEndId", entry.end_to_end_id or "NOTPROVIDED")
    party = "Dbtr" if entry.amount_minor > 0 else "Cdtr"
    parties = SubElement(details, "RltdPties")
    _add(parties, f"{party}/Nm", entry.other.holder)
    _add(parties, f"{party}Acct/Id/Othr/Id", entry.other.number)
    _add(details, f"RltdAgts/{party}Agt/FinInstnId/ClrSysMmbId/MmbId", entry.other.bank_code)
    _add(details, "RmtInf/Ustrd", entry.text)


def _add_amount(parent: Element, minor: int, currency: str) -> None:
    amount = SubElement(parent, "Amt", Ccy=currency)
    amount.text = as_decimal(Money(abs(minor), CurrencyCode(currency)))
    _add(parent, "CdtDbtInd", "DBIT" if minor < 0 else "CRDT")


def _add(parent: Element, path: str, text: str) -> None:
    for name in path.split("/"):
        parent = SubElement(parent, name)
    parent.text = text
