"""A clearing house: the ISO 8583 switch between merchants, providers and card companies.

It routes by the first digits of the card number, passes the trace fields through unchanged (so that a repeat
or a reversal is recognised at the far end), and answers for a target that is down. As a VAN it serves shops
that speak JSON only, decides small payments by itself while their target is away, and keeps what points
issuers tell it for the tills that ask.
"""

from obverse.sandbox.clearing_house.results import PointsResultView, Results
from obverse.sandbox.clearing_house.stand_in import StandIn
from obverse.sandbox.clearing_house.switch import NAME, ClearingHouse, Route
from obverse.sandbox.clearing_house.van import Van

__all__ = ["NAME", "ClearingHouse", "PointsResultView", "Results", "Route", "StandIn", "Van"]
