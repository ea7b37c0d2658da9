"""Cards of plastic for tests."""

from obverse.cards import Address, Place, PlasticWish
from obverse.kit.secret import Secret

STREET = "12 Toegye-ro, Jung-gu, Seoul"
ADDRESS = Address(Secret("홍길동"), Secret(STREET), Secret("04637"))


def a_plastic_wish(**changes) -> PlasticWish:
    """What a member says who wants their card in plastic."""
    given = {"embossed_name": "Hong Gil-dong", "design": "gold", "place": Place.HOME, "address": ADDRESS}
    return PlasticWish(**(given | changes))
