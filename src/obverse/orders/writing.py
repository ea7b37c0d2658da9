"""What orders write to people: letters with masked numbers and links, never with a number or a PIN (P11).

A token in a link stands behind `#`: browsers keep it to themselves, so that no server's log has it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from obverse.cards import Card
from obverse.kit.ids import LetterId, NewId, to_text
from obverse.kit.money import Money
from obverse.kit.secret import Secret, mask_number
from obverse.letters import Channel, Language, Letter
from obverse.orders.model import Buyer, Design, Gift, Order
from obverse.sales import Sale
from obverse.treasury import BankAccount

_ORDERS: Final = "/orders#"
_GIFTS: Final = "/gifts#"

DESIGN_NAMES: Final[Mapping[Language, Mapping[Design, str]]] = {
    Language.ENGLISH: {
        Design.PLAIN: "For you",
        Design.BIRTHDAY: "Happy birthday",
        Design.THANKS: "Thank you",
        Design.CONGRATULATIONS: "Congratulations",
        Design.SEASON: "Season's greetings",
    },
    Language.KOREAN: {
        Design.PLAIN: "마음을 담아",
        Design.BIRTHDAY: "생일 축하합니다",
        Design.THANKS: "고맙습니다",
        Design.CONGRATULATIONS: "축하합니다",
        Design.SEASON: "즐거운 연말 보내세요",
    },
}


class Writer:
    """Writes the letters of orders; posting them is the caller's commit's."""

    def __init__(self, new_id: NewId, own: BankAccount) -> None:
        """`own` is the account to which bank transfers go."""
        self._new_id = new_id
        self._own = own

    def awaiting(self, order: Order, buyer: Buyer, token: Secret, sale: Sale) -> Letter:
        """How to pay by bank transfer, by when, and where to follow the order."""
        data = {
            "total": sale.amount,
            "reference": sale.reference,
            "pay_by": sale.expires_at,
            "account": {
                "bank_code": self._own.bank_code,
                "number": self._own.number,
                "holder": self._own.holder,
            },
        }
        return self._to_buyer("order_received", order, buyer, token, data)

    def delivered(self, order: Order, buyer: Buyer, token: Secret, cards: Sequence[Card]) -> Letter:
        """The cards that the buyer has in hand, by their masked numbers (PP-2)."""
        shown = [
            {
                "number": mask_number(card.bin + "000000" + card.last_four),
                "amount": Money(card.face_value_minor or 0, card.currency),
            }
            for card in cards
        ]
        data = {"cards": shown, "total": Money(order.total_minor, order.currency)}
        return self._to_buyer("order_cards", order, buyer, token, data)

    def undelivered(self, order: Order, buyer: Buyer, token: Secret, pieces: Sequence[int]) -> Letter:
        """Gifts whose mail came back; not to whom, since a letter may be read by others."""
        return self._to_buyer("gift_undelivered", order, buyer, token, {"pieces": list(pieces)})

    def gift(self, order: Order, gift: Gift, amount: Money, claim: Secret, expires_at: datetime) -> Letter:
        """The mail with the claim link (PP-3)."""
        return Letter(
            id=LetterId(self._new_id()),
            channel=Channel.MAIL,
            to=gift.mail,
            template="gift",
            language=order.language,
            data={
                "from_name": gift.sender,
                "name": gift.name or "",
                "amount": amount,
                "message": gift.message or "",
                "design": DESIGN_NAMES[order.language][gift.design],
                "link": Secret(_GIFTS + claim.reveal()),
                "expires_at": expires_at,
            },
            subject_id=order.id,
        )

    def _to_buyer(
        self, template: str, order: Order, buyer: Buyer, token: Secret, data: Mapping[str, object]
    ) -> Letter:
        return Letter(
            id=LetterId(self._new_id()),
            channel=Channel.MAIL,
            to=buyer.mail,
            template=template,
            language=order.language,
            data={
                **data,
                "order": to_text("ord", order.id),
                "link": Secret(_ORDERS + token.reveal()),
            },
            subject_id=order.id,
        )
