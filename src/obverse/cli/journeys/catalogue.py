"""All journeys, in the order of the requirements. OT-J4 needs the issuing program, which is not here yet."""

from typing import Final

from obverse.cli.journeys.card_company_as_provider import CardCompanyAsProvider, NoClearingHouse
from obverse.cli.journeys.dispute import Dispute
from obverse.cli.journeys.draw import DrawToBank
from obverse.cli.journeys.hand_over import HandOver
from obverse.cli.journeys.independent_provider import IndependentProvider
from obverse.cli.journeys.running import Journey
from obverse.cli.journeys.shop_till import ShopTill

JOURNEYS: Final[tuple[type[Journey], ...]] = (
    IndependentProvider,
    CardCompanyAsProvider,
    ShopTill,
    NoClearingHouse,
    HandOver,
    DrawToBank,
    Dispute,
)
