"""Prepaid cards, joined: the programmes they are issued under, and who makes them."""

import os
from dataclasses import dataclass

from obverse.bootstrap.money import Foundation
from obverse.cards import Fulfilments, Pins
from obverse.kit.money import CurrencyCode
from obverse.programmes import Programmes
from obverse.wallet import CardBatches, CardFunding, RegisteredCards, StandIns


@dataclass(frozen=True, slots=True)
class CardRooms:
    """Programmes, members' prepaid and registered cards, what pays behind them, PINs, plastic, batches."""

    programmes: Programmes
    pins: Pins
    stand_ins: StandIns
    fulfilments: Fulfilments
    batches: CardBatches
    registered: RegisteredCards
    funding: CardFunding


def join_card_rooms(base: Foundation) -> CardRooms:
    """Make each and hand it what it needs of the others."""
    database, clock, new_id = base.database, base.clock, base.new_id
    pins = _pins(base)
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
            base.vault,
            base.members,
            base.cards,
            base.stored_cards,
            pins,
            base.balances,
            base.letters,
            clock=clock,
            new_id=new_id,
        ),
        fulfilments=_fulfilments(base),
        batches=_batches(base),
        registered=RegisteredCards(
            database,
            base.vault,
            base.members,
            base.cards,
            base.wallet,
            clock=clock,
            month_end=base.calendar.month_end,
        ),
        funding=CardFunding(database, base.cards, clock=clock, new_id=new_id),
    )


def _pins(base: Foundation) -> Pins:
    return Pins(
        base.database,
        base.vault,
        clock=base.clock,
        random_bytes=os.urandom,
        new_id=base.new_id,
        bin_=base.settings.bin,
        partitions=len(base.partitions),
    )


def _fulfilments(base: Foundation) -> Fulfilments:
    return Fulfilments(
        base.database,
        base.vault,
        clock=base.clock,
        random_bytes=os.urandom,
        new_id=base.new_id,
        bin_=base.settings.bin,
        partitions=len(base.partitions),
    )


def _batches(base: Foundation) -> CardBatches:
    return CardBatches(
        base.database,
        base.vault,
        base.merchants,
        base.stored_cards,
        base.balances,
        clock=base.clock,
        new_id=base.new_id,
        random_bytes=os.urandom,
        partitions=base.partitions,
    )
