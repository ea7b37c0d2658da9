"""Declines as the parties may see them (PF-11).

Members and operators get the rule that refused. Merchants get one of a few generic reasons: a wrong number,
a wrong CVV and a used card cannot be told apart, so that guessing teaches nothing (P17).
"""

from typing import Final

import msgspec

from obverse.authorization.model import Decline, Rule
from obverse.authorization.rules import ORDER


class DeclineView(msgspec.Struct, frozen=True):
    code: str
    message: str


class RuleView(msgspec.Struct, frozen=True):
    """One rule's answer; `not_asked` where there was no card, or nothing behind it, to ask it of."""

    rule: str
    result: str


_NOT_ACCEPTED: Final = DeclineView("card_not_accepted", "This card cannot pay here. Ask for another one.")
_NOT_APPROVED: Final = DeclineView("not_approved", "This amount was not approved. Ask for another card.")
_TRY_LATER: Final = DeclineView("try_again_later", "No answer could be had. Try again with a new key.")
_OTHER_POINTS: Final = DeclineView(
    "points_not_approved", "These points cannot pay that. Pick others, or another amount."
)

FOR_MERCHANTS: Final[dict[Decline, DeclineView]] = {
    Decline.UNKNOWN_CARD: _NOT_ACCEPTED,
    Decline.WRONG_DETAILS: _NOT_ACCEPTED,
    Decline.CARD_SUSPENDED: _NOT_ACCEPTED,
    Decline.CARD_CLOSED: _NOT_ACCEPTED,
    Decline.CARD_EXPIRED: _NOT_ACCEPTED,
    Decline.CARD_USED: _NOT_ACCEPTED,
    Decline.WRONG_MERCHANT: _NOT_ACCEPTED,
    Decline.WRONG_CATEGORY: _NOT_ACCEPTED,
    Decline.WRONG_CURRENCY: _NOT_ACCEPTED,
    Decline.FUNDING_INACTIVE: _NOT_ACCEPTED,
    Decline.NOT_ACCEPTED_HERE: _NOT_ACCEPTED,
    Decline.CARD_INACTIVE: _NOT_ACCEPTED,
    Decline.WRONG_PIN: _NOT_ACCEPTED,
    Decline.PIN_LOCKED: _NOT_ACCEPTED,
    Decline.WRONG_SERVICE: _NOT_ACCEPTED,
    Decline.STORED_VALUE_NOT_ALLOWED: _NOT_ACCEPTED,
    Decline.NOT_CHARGEABLE: _NOT_ACCEPTED,
    Decline.NOT_ACTIVATABLE: _NOT_ACCEPTED,
    Decline.NOT_REGISTERED: DeclineView("card_not_registered", "No member has registered this card."),
    Decline.UNKNOWN_CODE: _NOT_ACCEPTED,
    Decline.CODE_USED: _NOT_ACCEPTED,
    Decline.CODE_EXPIRED: _NOT_ACCEPTED,
    Decline.TOO_MANY_GUESSES: _NOT_ACCEPTED,
    Decline.PROOF_NEEDED: DeclineView("proof_needed", "The holder has to type the PIN, or use a passkey."),
    Decline.TENDER_INVALID: DeclineView(
        "tender_invalid", "What was picked is not behind this card, or was picked twice."
    ),
    Decline.TENDER_TOO_LARGE: DeclineView("tender_too_large", "More was picked than is to be paid."),
    Decline.QUOTE_EXPIRED: DeclineView("quote_expired", "The rates that were shown are over. Ask again."),
    Decline.POINTS_NOT_ACCEPTED: _OTHER_POINTS,
    Decline.POINTS_BELOW_MINIMUM: _OTHER_POINTS,
    Decline.POINTS_ABOVE_MAXIMUM: _OTHER_POINTS,
    Decline.INSUFFICIENT_POINTS: _OTHER_POINTS,
    Decline.POINTS_ISSUER_DECLINED: _NOT_APPROVED,
    Decline.POINTS_ISSUER_UNAVAILABLE: _TRY_LATER,
    Decline.POINTS_ISSUER_LATE: _TRY_LATER,
    Decline.CHARGE_UNIT: DeclineView("charge_unit", "This card is charged in other steps."),
    Decline.BALANCE_CEILING: DeclineView("balance_ceiling", "The card would hold more than it may."),
    Decline.NOT_AN_AGENT: DeclineView("not_an_agent", "Only agents sell cards and charge them."),
    Decline.PER_PAYMENT_LIMIT: _NOT_APPROVED,
    Decline.AMOUNT_LIMIT: _NOT_APPROVED,
    Decline.INSUFFICIENT_FUNDS: _NOT_APPROVED,
    Decline.CARD_COMPANY_DECLINED: _NOT_APPROVED,
    Decline.CARD_COMPANY_UNAVAILABLE: _TRY_LATER,
    Decline.CARD_COMPANY_LATE: _TRY_LATER,
    Decline.UNKNOWN_MERCHANT: DeclineView("merchant_not_active", "This merchant cannot take payments."),
    Decline.REVERSED: DeclineView("reversed", "This payment was reversed."),
    Decline.KEY_REUSED: DeclineView("idempotency_key_reused", "This key was used for another payment."),
}

FOR_MEMBERS: Final[dict[Decline, DeclineView]] = {
    decline: DeclineView(decline.value, message)
    for decline, message in {
        Decline.UNKNOWN_CARD: "No card has this number.",
        Decline.WRONG_DETAILS: "Expiry date, CVV, or what the page said of the holder is wrong.",
        Decline.UNKNOWN_MERCHANT: "The merchant is unknown or closed.",
        Decline.CARD_SUSPENDED: "The card is suspended.",
        Decline.CARD_CLOSED: "The card is closed.",
        Decline.CARD_EXPIRED: "The card has expired.",
        Decline.CARD_USED: "The card has been used.",
        Decline.WRONG_MERCHANT: "The card is for another merchant.",
        Decline.WRONG_CATEGORY: "The card is for other kinds of merchants.",
        Decline.WRONG_CURRENCY: "The card is in another currency.",
        Decline.PER_PAYMENT_LIMIT: "The amount is above the card's limit for one payment.",
        Decline.AMOUNT_LIMIT: "The amount is above what is left of the card's limit.",
        Decline.FUNDING_INACTIVE: "What pays behind the card is not active.",
        Decline.INSUFFICIENT_FUNDS: "There is not enough money behind the card.",
        Decline.CARD_COMPANY_DECLINED: "The card company declined.",
        Decline.CARD_COMPANY_UNAVAILABLE: "The card company could not be reached.",
        Decline.CARD_COMPANY_LATE: "The card company did not answer in time.",
        Decline.NOT_ACCEPTED_HERE: "The merchant does not take this kind of card.",
        Decline.CARD_INACTIVE: "The card is not set up or not sold yet.",
        Decline.WRONG_PIN: "The PIN is wrong.",
        Decline.PIN_LOCKED: "Too many wrong PINs. Set a new one.",
        Decline.WRONG_SERVICE: "The card is for other services.",
        Decline.STORED_VALUE_NOT_ALLOWED: "Stored value cannot buy stored value.",
        Decline.NOT_AN_AGENT: "The merchant is no agent.",
        Decline.NOT_CHARGEABLE: "The card cannot be charged.",
        Decline.CHARGE_UNIT: "The amount is no multiple of the unit in which the card is charged.",
        Decline.BALANCE_CEILING: "The card would hold more than its programme allows.",
        Decline.NOT_ACTIVATABLE: "The card is sold already, is no agent's card, or costs another amount.",
        Decline.NOT_REGISTERED: "No member has registered this card.",
        Decline.UNKNOWN_CODE: "There is no such payment code.",
        Decline.CODE_USED: "The payment code has been used.",
        Decline.CODE_EXPIRED: "The payment code is not good at this time.",
        Decline.TOO_MANY_GUESSES: "Too many codes that do not exist were tried there. Try again later.",
        Decline.PROOF_NEEDED: "This amount needs your PIN or a passkey beside the code.",
        Decline.TENDER_INVALID: "What was picked is not behind the card, or was picked twice.",
        Decline.TENDER_TOO_LARGE: "More was picked than was to be paid.",
        Decline.QUOTE_EXPIRED: "The rates that were shown are over.",
        Decline.POINTS_NOT_ACCEPTED: "The merchant does not take these points, or their issuer is suspended.",
        Decline.POINTS_BELOW_MINIMUM: "The amount takes fewer points than the issuer lets be spent at once.",
        Decline.POINTS_ABOVE_MAXIMUM: "The amount takes more points than the issuer lets be spent at once.",
        Decline.INSUFFICIENT_POINTS: "There are not enough points.",
        Decline.POINTS_ISSUER_DECLINED: "The points' issuer declined.",
        Decline.POINTS_ISSUER_UNAVAILABLE: "The points' issuer could not be reached.",
        Decline.POINTS_ISSUER_LATE: "The points' issuer did not answer in time.",
        Decline.REVERSED: "The payment was reversed.",
        Decline.KEY_REUSED: "The same key came with another payment.",
    }.items()
}

_LAST_QUESTIONS: Final = (Rule.CODE, Rule.KNOWN_CARD, Rule.CARD_DETAILS, Rule.PIN, Rule.PROOF)
"""Where one of these fails, the rules that follow it are not asked any more."""

_NAMES: Final = [(at, rule, str(rule.name).lower()) for at, rule in enumerate(ORDER)]
_ALL_PASSED: Final = [RuleView(name, "pass") for _, _, name in _NAMES]


def explain(failed: Rule) -> list[RuleView]:
    """Every rule's answer, in the order in which they are asked (PF-9)."""
    if not failed:
        return _ALL_PASSED
    stopped_at = next((ORDER.index(rule) for rule in _LAST_QUESTIONS if rule in failed), len(ORDER))
    without_funding = Rule.FUNDS if Rule.FUNDING_ACTIVE in failed else None
    return [
        RuleView(name, "fail")
        if rule in failed
        else RuleView(name, "not_asked" if at > stopped_at or rule is without_funding else "pass")
        for at, rule, name in _NAMES
    ]
