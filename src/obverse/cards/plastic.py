"""What a card of plastic looks like: its designs, and how one is drawn. No I/O (WA-4).

A drawing is SVG that holds no script and loads nothing. Whatever a holder wrote is escaped, and of the number
it shows what may be shown.
"""

import re
import unicodedata
from html import escape
from typing import Final

import msgspec

from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import mask_number

EMBOSSED_NAME: Final = re.compile(r"[A-Z](?:[A-Z .'-]{0,24}[A-Z.])?")
"""What a maker's machines can emboss: 26 letters of the Latin alphabet (ISO/IEC 7811-1)."""

_WIDTH: Final = 856
_HEIGHT: Final = 540
"""Tenths of a millimetre, ID-1 (ISO/IEC 7810)."""


class Design(msgspec.Struct, frozen=True):
    """A look. Colours are those of metal: `deep` in the shade, `light` where it shines."""

    id: str
    name: str
    deep: str
    light: str
    ink: str


DESIGNS: Final = {
    design.id: design
    for design in (
        Design("bronze", "Bronze", "#5c3a1e", "#c98d4f", "#fff4e2"),
        Design("silver", "Silver", "#59616b", "#cfd6de", "#10151b"),
        Design("gold", "Gold", "#8a6412", "#f0cf6a", "#2b1e02"),
        Design("ink", "Ink", "#0c1220", "#33415f", "#e9eefc"),
    )
}
"""By id."""


def check_design(id_: str) -> Design:
    """Raises `InvalidRequest`."""
    if id_ not in DESIGNS:
        raise InvalidRequest(f"A design is one of {', '.join(DESIGNS)}.", "design")
    return DESIGNS[id_]


def embossed_name(name: str) -> str:
    """A name as it is embossed: `  Hong Gil-dong ` becomes `HONG GIL-DONG`. Raises `InvalidRequest`."""
    # Letters with marks lose them, as on every passport; other alphabets have to be written in Latin letters.
    split = unicodedata.normalize("NFKD", " ".join(name.split()).upper())
    plain = "".join(letter for letter in split if not unicodedata.combining(letter))
    if not EMBOSSED_NAME.fullmatch(plain):
        raise InvalidRequest("Give 1 to 26 Latin letters, blanks, full stops, ' and -.", "embossed_name")
    return plain


def draw(design: Design, *, bin_: str, last_four: str, expiry: str, name: str, title: str) -> str:
    """The obverse and, below it, the reverse. `expiry` is YYMM; `name` and `title` may be anything."""
    number = mask_number(f"{bin_}{'0' * 6}{last_four}").replace("*", "•")
    grouped = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    said = escape(f"{title}, {grouped}, {name}".strip(", "))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {2 * _HEIGHT + 40}" role="img" '
        f'aria-label="{said}">'
        f"{_definitions(design)}"
        f'<g font-family="ui-monospace, Menlo, Consolas, monospace" fill="{design.ink}">'
        f"{_obverse(design, grouped, expiry, name, title)}"
        f'<g transform="translate(0 {_HEIGHT + 40})">{_reverse(design, last_four)}</g>'
        "</g></svg>"
    )


def _definitions(design: Design) -> str:
    return (
        "<defs>"
        '<linearGradient id="metal" x1="0" y1="0" x2="1" y2="1">'
        f'<stop offset="0" stop-color="{design.light}"/>'
        f'<stop offset=".55" stop-color="{design.deep}"/>'
        f'<stop offset="1" stop-color="{design.light}"/></linearGradient>'
        f'<radialGradient id="coin" cx=".35" cy=".3" r=".9"><stop offset="0" stop-color="{design.light}"/>'
        f'<stop offset="1" stop-color="{design.deep}"/></radialGradient>'
        f'<clipPath id="edge"><rect width="{_WIDTH}" height="{_HEIGHT}" rx="32"/></clipPath>'
        "</defs>"
    )


def _coin(design: Design, x: int, y: int, radius: int) -> str:
    """A coin: a milled rim, a raised ring, and the half-turned disc that is our sign."""
    return (
        f'<g transform="translate({x} {y})">'
        f'<circle r="{radius}" fill="url(#coin)"/>'
        f'<circle r="{radius - 4}" fill="none" stroke="{design.ink}" stroke-opacity=".35" stroke-width="6" '
        'stroke-dasharray="2 5"/>'
        f'<circle r="{radius - 18}" fill="none" stroke="{design.ink}" stroke-opacity=".5" stroke-width="2"/>'
        f'<path d="M0 {-radius // 2}A{radius // 2} {radius // 2} 0 0 1 0 {radius // 2}Z" '
        f'fill="{design.ink}" fill-opacity=".8"/>'
        f'<circle r="{radius // 2}" fill="none" stroke="{design.ink}" stroke-opacity=".8" stroke-width="3"/>'
        "</g>"
    )


def _obverse(design: Design, number: str, expiry: str, name: str, title: str) -> str:
    return (
        '<g clip-path="url(#edge)">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="url(#metal)"/>'
        f"{_coin(design, 690, 180, 130)}"
        f'<text x="56" y="92" font-size="34" font-family="Georgia, serif">{escape(title)}</text>'
        f'<rect x="56" y="170" width="96" height="74" rx="12" fill="{design.light}" stroke="{design.ink}" '
        'stroke-opacity=".4"/>'
        f'<path d="M56 207h96M104 170v74" stroke="{design.ink}" stroke-opacity=".35" fill="none"/>'
        f'<text x="56" y="372" font-size="50" letter-spacing="2">{number}</text>'
        f'<text x="56" y="424" font-size="26">{expiry[2:]}/{expiry[:2]}</text>'
        f'<text x="56" y="484" font-size="32">{escape(name)}</text>'
        "</g>"
    )


def _reverse(design: Design, last_four: str) -> str:
    return (
        '<g clip-path="url(#edge)">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="url(#metal)"/>'
        f'<rect y="56" width="{_WIDTH}" height="104" fill="#0b0d10" fill-opacity=".85"/>'
        f'<rect x="56" y="212" width="520" height="76" fill="#f6f3ea"/>'
        '<path d="M68 236q24-20 46 0t46 0 46 0 46 0" fill="none" stroke="#9aa3ad" stroke-width="3"/>'
        f'<text x="600" y="262" font-size="30">{last_four} •••</text>'
        f"{_coin(design, 712, 420, 76)}"
        '<text x="56" y="452" font-size="24" font-family="Georgia, serif">obverse</text>'
        "</g>"
    )
