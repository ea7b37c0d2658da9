"""Cards of nobody we know: whoever has number and PIN in hand may charge them, and refund what is left."""

from obverse.authorization import AuthorizationRequest, Engine, Entry, Purpose, Status
from obverse.cards import Card, Cards
from obverse.charging.errors import CardNotInHand
from obverse.kit.ids import NewId
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.secret import Secret
from obverse.merchants import Merchant


class CardsInHand:
    """Asks the engine, so that guesses at PINs are counted wherever they are made."""

    def __init__(
        self, engine: Engine, cards: Cards, house: Merchant, currency: CurrencyCode, new_id: NewId
    ) -> None:
        """`house` is the merchant at which stored value is paid for."""
        self._engine = engine
        self._cards = cards
        self._house = house
        self._currency = currency
        self._new_id = new_id

    async def find(self, number: Secret, pin: Secret) -> Card:
        """The card with this number and PIN. Raises `CardNotInHand`, whatever is wrong, and `Unavailable`."""
        answered = await self._engine.authorize(
            AuthorizationRequest(
                request_key=f"in_hand:{self._new_id()}",
                number=number,
                expiry=None,
                cvv=None,
                amount=Money(0, self._currency),
                merchant=self._house,
                terminal=None,
                entry=Entry.ONLINE,
                pin=pin,
                purpose=Purpose.INQUIRY,
            )
        )
        if answered.status is not Status.APPROVED or answered.card_id is None:
            raise CardNotInHand
        return await self._cards.get(answered.card_id)
