"""Payment codes whose digits the test knows; a phone would have to open a batch for them."""

from datetime import timedelta
from itertools import count
from typing import Final

from tests.factories.ledger import P0
from tests.factories.wallet import BIN, House

from obverse.cards import Card
from obverse.codes.rules import value_of
from obverse.kit.secret import Secret

_INSERT: Final = """
insert into payment_codes
    (partition_id, code_hash, card_id, device_id, batch_id, member_id, valid_from, expires_at)
values (0, $1, $2, $3, $3, $4, $5, $6)
"""
_numbers = count(1)


async def a_code_of(house: House, card: Card, **ends: int) -> Secret:
    """A code of this card that is good for a minute from now, or for what `ends` says of a `timedelta`."""
    code = house.vault.payment_code(BIN, value_of(next(_numbers), P0))
    now = house.clock.now()
    async with house.database.transaction() as conn:
        await conn.execute(
            _INSERT,
            house.vault.token_hash(code),
            card.id,
            house.new_id(),
            card.member_id,
            now - timedelta(minutes=1),
            now + timedelta(**ends or {"minutes": 1}),
        )
    return code


def a_code_never_made(house: House) -> Secret:
    """What looks like a code, and is none."""
    return house.vault.payment_code(BIN, value_of(5_000_000_000 + next(_numbers), P0))
