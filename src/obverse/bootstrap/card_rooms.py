"""Prepaid cards, joined: the programmes they are issued under, and who makes them."""

import os
from dataclasses import dataclass

from obverse.bootstrap.money import Foundation
from obverse.cards import Fulfilments, Pins
from obverse.kit.money import CurrencyCode
from obverse.programmes import Programmes
from obverse.wallet import CardBatches, StandIns


@dataclass(frozen=True, slots=True)
class CardRooms:
    """Programmes, members' prepaid cards and their PINs, plastic, agents' batches."""

    programmes: Programmes
    pins: Pins
    stand_ins: StandIns
    fulfilments: Fulfilments
    batches: CardBatches


def join_card_rooms(base: Foundation) -> CardRooms:
    """Make each and hand it what it needs of the others."""
    database, vault, clock, new_id = base.database, base.vault, base.clock, base.new_id
    bin_, partitions = base.settings.bin, len(base.partitions)
    pins = Pins(
        database,
        vault,
        clock=clock,
        random_bytes=os.urandom,
        new_id=new_id,
        bin_=bin_,
        partitions=partitions,
    )
    return CardRooms(
        programmes=Programmes(
            database,
            base.merchants.known,
            clock=clock,
            new_id=new_id,
            currency=CurrencyCode(base.settings.currency),
        ),
        pins=pins,
        stand_ins=StandIns(
            database,
            vault,
            base.members,
            base.cards,
            base.stored_cards,
            pins,
            base.balances,
            base.letters,
            clock=clock,
            new_id=new_id,
        ),
        fulfilments=Fulfilments(
            database,
            vault,
            clock=clock,
            random_bytes=os.urandom,
            new_id=new_id,
            bin_=bin_,
            partitions=partitions,
        ),
        batches=CardBatches(
            database,
            vault,
            base.merchants,
            base.stored_cards,
            base.balances,
            clock=clock,
            new_id=new_id,
            random_bytes=os.urandom,
            partitions=base.partitions,
        ),
    )
