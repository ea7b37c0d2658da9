"""All journeys, in the order of the requirements; what lets months pass comes last.

OT-J4 needs the issuing program, which is not here yet."""

from typing import Final

from obverse.cli.journeys.agents_batch import AgentsBatch
from obverse.cli.journeys.call import CallUntilTheEnd
from obverse.cli.journeys.card_company_as_provider import CardCompanyAsProvider, NoClearingHouse
from obverse.cli.journeys.cards_by_order import CardsByOrder
from obverse.cli.journeys.charging_cards import ChargingCards
from obverse.cli.journeys.dispute import Dispute
from obverse.cli.journeys.draw import DrawToBank
from obverse.cli.journeys.expiry import Expiry
from obverse.cli.journeys.filled_form import FilledForm
from obverse.cli.journeys.gift_by_mail import GiftByMail
from obverse.cli.journeys.hand_over import HandOver
from obverse.cli.journeys.independent_provider import IndependentProvider
from obverse.cli.journeys.lost_line import LostLine
from obverse.cli.journeys.matched_order import MatchedOrder
from obverse.cli.journeys.phone_at_mall import PhoneAtMall
from obverse.cli.journeys.phone_at_till import PhoneAtTill
from obverse.cli.journeys.phone_offline import PhoneOffline
from obverse.cli.journeys.plastic_card import PlasticCard
from obverse.cli.journeys.points_and_card import PointsAndCard
from obverse.cli.journeys.points_at_mall import PointsAtMall
from obverse.cli.journeys.points_mixed import PointsMixed
from obverse.cli.journeys.points_pay_all import PointsPayAll
from obverse.cli.journeys.points_through_van import PointsThroughVan
from obverse.cli.journeys.refund_of_rest import RefundOfRest
from obverse.cli.journeys.running import Journey
from obverse.cli.journeys.shop_till import ShopTill
from obverse.cli.journeys.through_van import ThroughVan

JOURNEYS: Final[tuple[type[Journey], ...]] = (
    IndependentProvider,
    CardCompanyAsProvider,
    ShopTill,
    NoClearingHouse,
    HandOver,
    DrawToBank,
    Dispute,
    MatchedOrder,
    FilledForm,
    ThroughVan,
    PlasticCard,
    CardsByOrder,
    GiftByMail,
    ChargingCards,
    CallUntilTheEnd,
    PointsPayAll,
    PointsAndCard,
    PointsMixed,
    PointsAtMall,
    PointsThroughVan,
    PhoneAtTill,
    PhoneAtMall,
    PhoneOffline,
    LostLine,
    AgentsBatch,
    RefundOfRest,
    Expiry,
)
