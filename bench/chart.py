"""docs/benchmark.svg: how far each goal was reached, drawn by hand."""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from bench.results import Load, Results, reach

_WIDTH: Final = 860
_LEFT: Final = 250
_RIGHT: Final = 90
_ROW: Final = 34
_TOP: Final = 64
_SHARE_MAX: Final = 2.0
"""Bars end here; the figure beside them tells the rest."""


def draw(results: Results, loads: Sequence[Load], caption: str) -> str:
    """One bar per goal; the line in the middle is the goal."""
    bars = [(load, name, share) for load in loads for name, share in results.shares(load).items()]
    height = _TOP + _ROW * len(bars) + 40
    goal_x = _x(1.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        '<text x="16" y="26" font-size="16" font-weight="600" fill="#1b1f24">'
        "Measured, as a share of what is to be reached</text>",
        f'<text x="16" y="46" fill="#57606a">{escape(caption)}</text>',
    ]
    for row, (load, name, share) in enumerate(bars):
        parts += _bar(_TOP + row * _ROW, load, name, share)
    bottom = _TOP + _ROW * len(bars)
    parts += [
        f'<line x1="{goal_x}" y1="{_TOP - 6}" x2="{goal_x}" y2="{bottom}" stroke="#1b1f24" '
        'stroke-dasharray="4 3"/>',
        f'<text x="{goal_x}" y="{bottom + 20}" text-anchor="middle" fill="#1b1f24">reach</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _bar(y: int, load: Load, name: str, share: float) -> list[str]:
    fill = "#1a7f5a" if share >= 1 else "#c4432b"
    width = max(_x(min(share, _SHARE_MAX)) - _LEFT, 1)
    label = f"{load.name}, {name}"
    return [
        f"<g><title>{escape(load.what)}: reach {escape(reach(load))}</title>",
        f'<text x="{_LEFT - 10}" y="{y + 18}" text-anchor="end" fill="#1b1f24">{escape(label)}</text>',
        f'<rect x="{_LEFT}" y="{y + 4}" width="{width}" height="20" rx="2" fill="{fill}"/>',
        f'<text x="{_LEFT + width + 8}" y="{y + 18}" fill="#1b1f24">{share:.2f}</text></g>',
    ]


def _x(share: float) -> int:
    return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * share / _SHARE_MAX)
