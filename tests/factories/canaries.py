"""Values that must not be found anywhere, and a search for them in every dress they may wear (P11)."""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """A canary that got out: which one, in what form, and what stands around it."""

    canary: str
    form: str
    around: bytes


def search(haystack: bytes, canaries: Mapping[str, str]) -> list[Found]:
    """Every canary in `haystack`, once per form. Letters count in either case."""
    found = []
    for name, value in canaries.items():
        for form, pattern in forms(value):
            match = re.search(pattern, haystack, re.IGNORECASE if form.endswith("hex") else 0)
            if match is not None:
                around = haystack[max(0, match.start() - 80) : match.end() + 80]
                found.append(Found(name, form, around))
    return found


def forms(value: str) -> Iterator[tuple[str, bytes]]:
    """The patterns under which a value may hide."""
    plain = value.encode()
    if len(value) < 6:
        # Three or four digits are everywhere. They count where they are labelled: JSON, Python, ISO 8583.
        yield "labelled", rb"(?i)(?:cvv2?|cvc|pin)\W{1,6}" + plain + rb"\b"
        yield "DE 48", b"92%02d%s" % (len(plain), plain)
        return
    yield "plain", re.escape(plain)
    yield "hex", plain.hex().encode()
    yield "utf-16 hex", value.encode("utf-16-be").hex().encode()
    for offset in range(3):
        yield f"base64 at {offset}", re.escape(_base64_core(plain, offset))
        yield f"base64url at {offset}", re.escape(base64url(_base64_core(plain, offset)))
    if value.isdigit():
        packed = bytes.fromhex(value if len(value) % 2 == 0 else value + "f")
        yield "BCD", re.escape(packed)
        yield "grouped", rb"[ -]".join([plain[i : i + 4] for i in range(0, len(plain), 4)])


def _base64_core(plain: bytes, offset: int) -> bytes:
    """What base64 makes of a value `offset` bytes after a multiple of three, less what neighbours touch."""
    encoded = base64.b64encode(b"\0" * offset + plain)
    touched_before = (0, 2, 3)[offset]
    rest = (offset + len(plain)) % 3
    touched_after = (0, 3, 2)[rest]
    return encoded[touched_before : len(encoded) - touched_after]


def base64url(encoded: bytes) -> bytes:
    return encoded.replace(b"+", b"-").replace(b"/", b"_")
