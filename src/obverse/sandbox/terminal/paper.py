"""What people read at a till: its screen, and the receipt it prints. Text, a line each, 40 letters wide."""

from collections.abc import Iterable, Sequence
from typing import Final

from obverse.kit.secret import mask_number
from obverse.sandbox.terminal.messages import Shop
from obverse.sandbox.terminal.points import Account, Part
from obverse.sandbox.wire import Message

WIDTH: Final = 40

_TROUBLES: Final = {
    "slow": "no answer in time",
    "down": "cannot be reached",
    "refused": "refused by its issuer",
    "not_accepted": "not accepted here",
}
_PARTS: Final = {"B": "Stored on the card", "L": "Credit", "C": "Card"}
_REASONS: Final = {
    "card_not_registered": "THIS CARD IS NOT REGISTERED",
    "proof_needed": "PIN NEEDED",
    "tender_invalid": "NOT BEHIND THIS CARD",
    "tender_too_large": "MORE THAN THERE IS TO PAY",
    "quote_expired": "RATES ARE OVER: ASK AGAIN",
    "points_not_accepted": "POINTS NOT ACCEPTED HERE",
    "points_below_minimum": "TOO FEW POINTS",
    "points_above_maximum": "TOO MANY POINTS",
    "insufficient_points": "NOT ENOUGH POINTS",
    "points_issuer_declined": "DECLINED BY THE POINTS' ISSUER",
    "points_issuer_unavailable": "POINTS' ISSUER CANNOT BE REACHED",
    "points_issuer_late": "NO ANSWER FROM THE POINTS' ISSUER",
}


def screen(shop: Shop, accounts: Sequence[Account], total_minor: int | None, code: str) -> list[str]:
    """What the holder sees after an inquiry: each account, what it is worth, and what they can do.

    `code` is DE 39. A card that nobody has registered looks different from one without points (PR-2).
    """
    if code != "00":
        return [_REASONS["card_not_registered"] if code == "56" else f"NOT POSSIBLE ({code})"]
    if not accounts:
        return ["NO POINTS BEHIND THIS CARD"]
    lines = [shop.name[:WIDTH]]
    for account in accounts:
        lines.append(_row(f"{account.number} {account.issuer}", _worth(account)))
        if account.units is not None:
            lines.append(_row(f"  {account.units:,} {account.unit}", _at(account.rate)))
    if total_minor is not None:
        lines.append(_row("TOTAL", f"{total_minor:,}"))
    return [*lines, "PICK, OR REST ON CARD"]


def slip(shop: Shop, request: Message, answer: Message, parts: Sequence[Part], reason: str | None) -> str:
    """The receipt for a payment, approved or not: every part with its units, rate and approval."""
    approved = answer.get("39") in ("00", "10")
    total = int(answer.get("4", request["4"]))
    body = [*(line for part in parts for line in _part(part)), _row("TOTAL", f"{total:,}")]
    if approved:
        body.append(_row("APPROVED", answer.get("38", "")))
    else:
        body.append(_REASONS.get(reason or "", "") or f"DECLINED ({answer.get('39', '--')})")
    return _printed(shop, request, body)


def refund_slip(shop: Shop, request: Message, answer: Message) -> str:
    """The receipt for what goes back, or did not."""
    amount = f"{int(request['4']):,}"
    given = answer.get("39") == "00"
    last = _row("GIVEN BACK", amount) if given else f"NOT GIVEN BACK ({answer.get('39', '--')})"
    return _printed(shop, request, [last])


def _printed(shop: Shop, request: Message, body: Iterable[str]) -> str:
    head = [shop.name[:WIDTH], _row(shop.terminal, request["37"]), _row("CARD", mask_number(request["2"]))]
    return "\n".join([*head, "-" * WIDTH, *body])


def _worth(account: Account) -> str:
    if account.trouble:
        return _TROUBLES.get(account.trouble, account.trouble)
    return "" if account.worth_minor is None else f"{account.worth_minor:,}"


def _part(part: Part) -> list[str]:
    name = part.issuer if part.kind == "P" else _PARTS.get(part.kind, part.kind)
    lines = [_row(name, f"{part.amount_minor:,}")]
    if part.units is not None:
        lines.append(_row(f"  {part.units:,} {part.unit}", _at(part.rate)))
    if part.approval:
        lines.append(_row("  approval", part.approval))
    return lines


def _at(rate: str) -> str:
    return f"at {rate} for 1" if rate else ""


def _row(left: str, right: str) -> str:
    """Two columns; whatever is too long pushes the right one on.

    >>> _row("TOTAL", "34,000")
    'TOTAL                             34,000'
    """
    return f"{left}{right:>{max(WIDTH - len(left), len(right) + 1)}}".rstrip()
