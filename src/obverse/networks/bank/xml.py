"""XML from outside: no document types, no entities, no network, no more bytes than a day's statement has.

Elements are found by their local names, because a bank's next version of a message differs in its namespace
first and in what we read of it last.
"""

from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Final

from lxml import etree

from obverse.treasury.errors import StatementUnreadable

BYTES_MAX: Final = 32 * 1024 * 1024


def elements(content: bytes, *names: str) -> Iterator[etree._Element]:
    """The elements of these names as they end, the innermost first; clear each when it has been read.

    Raises `StatementUnreadable` for what is not XML, has a document type, or is too large.
    """
    if len(content) > BYTES_MAX:
        raise StatementUnreadable(f"it has more than {BYTES_MAX:,} bytes")
    try:
        parsed = etree.iterparse(
            BytesIO(content),
            events=("start", "end"),
            tag=[f"{{*}}{name}" for name in names],
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        for event, element in parsed:
            if event == "end":
                yield element
            elif element.getroottree().docinfo.internalDTD is not None:
                # Entities are not resolved in any case; nobody who means well sends a document type.
                raise StatementUnreadable("it has a document type")
    except etree.XMLSyntaxError:
        # Not chained: the parser's message quotes the document.
        raise StatementUnreadable("it is not well-formed XML") from None


def name_of(element: etree._Element) -> str:
    """An element's name without its namespace."""
    return etree.QName(element).localname


def namespace_of(element: etree._Element) -> str:
    return etree.QName(element).namespace or ""


def all_of(element: etree._Element, path: str) -> list[etree._Element]:
    """The elements at a path of local names, as `NtryDtls/TxDtls`."""
    return element.findall(_in_any_namespace(path))


def text_at(element: etree._Element, *paths: str) -> str | None:
    """The text of the first of these paths that has one."""
    for path in paths:
        for found in element.iterfind(_in_any_namespace(path)):
            if found.text and (text := found.text.strip()):
                return text
    return None


@cache
def _in_any_namespace(path: str) -> str:
    return "/".join(f"{{*}}{name}" for name in path.split("/"))
