"""A clearing house: the ISO 8583 switch between merchants, providers and card companies.

It routes by the first digits of the card number, passes the trace fields through unchanged (so that a repeat
or a reversal is recognised at the far end), and answers for a target that is down.
"""

from obverse.sandbox.clearing_house.switch import NAME, ClearingHouse, Route

__all__ = ["NAME", "ClearingHouse", "Route"]
