"""pain.001.001.03: a batch of orders as a file for the bank (ISO 20022 customer credit transfer)."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from lxml import etree

from obverse.kit.money import Money, as_decimal
from obverse.treasury.model import BankAccount
from obverse.treasury.ports import Batch, Outgoing

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.03"
_NSMAP: Final[Any] = {None: NAMESPACE}  # lxml's stubs do not know the default namespace


def write(batch: Batch, own: BankAccount, execute_on: date) -> bytes:
    """One file with one payment block; the same batch gives the same bytes.

    `MsgId` is the batch's id and `EndToEndId` the order's, both in hex. The orders share one currency.
    """
    total = Money(sum(each.amount.amount_minor for each in batch.orders), batch.orders[0].amount.currency)
    counted = [("NbOfTxs", str(len(batch.orders))), ("CtrlSum", as_decimal(total))]
    document = etree.Element(f"{{{NAMESPACE}}}Document", nsmap=_NSMAP)
    initiation = _add(document, "CstmrCdtTrfInitn")

    header = _add(initiation, "GrpHdr")
    created = batch.created_at.replace(microsecond=0, tzinfo=None).isoformat() + "Z"
    _fill(header, [("MsgId", batch.id.hex), ("CreDtTm", created), *counted])
    _add(_add(header, "InitgPty"), "Nm", own.holder)

    block = _add(initiation, "PmtInf")
    # BtchBookg false: the statement then has an entry, with its end-to-end id, for each order.
    _fill(block, [("PmtInfId", batch.id.hex), ("PmtMtd", "TRF"), ("BtchBookg", "false"), *counted])
    _add(block, "ReqdExctnDt", execute_on.isoformat())
    _add(_add(block, "Dbtr"), "Nm", own.holder)
    _add_account(block, "DbtrAcct", own)
    _add_bank(block, "DbtrAgt", own)
    for order in batch.orders:
        _add_order(block, order)
    return etree.tostring(document, xml_declaration=True, encoding="UTF-8")


def _add_order(block: etree._Element, order: Outgoing) -> None:
    transaction = _add(block, "CdtTrfTxInf")
    _add(_add(transaction, "PmtId"), "EndToEndId", order.wire_id.hex)
    amount = _add(_add(transaction, "Amt"), "InstdAmt", as_decimal(order.amount))
    amount.set("Ccy", order.amount.currency)
    _add_bank(transaction, "CdtrAgt", order.to)
    _add(_add(transaction, "Cdtr"), "Nm", order.to.holder)
    _add_account(transaction, "CdtrAcct", order.to)
    _add(_add(transaction, "RmtInf"), "Ustrd", order.reference)


def _add_bank(parent: etree._Element, name: str, account: BankAccount) -> None:
    # Korean banks are known by their clearing code; most accounts have no IBAN and no BIC beside it.
    institution = _add(_add(parent, name), "FinInstnId")
    _add(_add(institution, "ClrSysMmbId"), "MmbId", account.bank_code)


def _add_account(parent: etree._Element, name: str, account: BankAccount) -> None:
    _add(_add(_add(_add(parent, name), "Id"), "Othr"), "Id", account.number.reveal())


def _fill(parent: etree._Element, fields: Sequence[tuple[str, str]]) -> None:
    for name, text in fields:
        _add(parent, name, text)


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    child.text = text
    return child
