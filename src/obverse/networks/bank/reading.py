"""What a bank sends us, told apart by its namespace: statements (camt.053) and status reports (pain.002)."""

import re
from collections.abc import Sequence
from typing import Final

from obverse.networks.bank import pain002
from obverse.networks.bank.camt053 import StatementBuilder
from obverse.networks.bank.xml import elements, name_of, namespace_of
from obverse.treasury.errors import StatementUnreadable
from obverse.treasury.model import Statement, StatusReport

_STATEMENT: Final = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.0[2-8]")
_REPORT: Final = re.compile(r"urn:iso:std:iso:20022:tech:xsd:pain\.002\.001\.\d\d")


def read_document(content: bytes) -> Sequence[Statement | StatusReport]:
    """Read a document of the bank's; memory stays flat, however many entries it has.

    Raises `StatementUnreadable` for what is broken, hostile, or of a kind or version that we do not read.
    """
    read: list[Statement | StatusReport] = []
    builder = StatementBuilder()
    for element in elements(content, "Ntry", "Stmt", "CstmrPmtStsRpt"):
        match name_of(element):
            case "Ntry" if _STATEMENT.fullmatch(namespace_of(element)):
                builder.add(element)
                element.clear()
            case "Stmt" if _STATEMENT.fullmatch(namespace_of(element)):
                read.append(builder.build(element))
                builder = StatementBuilder()
                element.clear()
            case "CstmrPmtStsRpt" if _REPORT.fullmatch(namespace_of(element)):
                read.append(pain002.read_report(element))
    if not read:
        raise StatementUnreadable("it is neither camt.053.001.02 to 08 nor pain.002")
    return read
