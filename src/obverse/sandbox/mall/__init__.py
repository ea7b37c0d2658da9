"""A mall: a small online shop that takes card numbers on its checkout page and keeps none.

It pays by several roads: through the clearing house over ISO 8583 or by asking the provider over REST
(OT-10), through a VAN as a shop that knows neither (WA-9), by naming an order that the wallet has left
with the provider (WA-7), from an issuer of points (PR-9), or with a code off a phone (PC-6).
"""

from obverse.sandbox.mall.mall import Mall
from obverse.sandbox.mall.model import Order, Paid, Road
from obverse.sandbox.mall.site import MallSite

__all__ = ["Mall", "MallSite", "Order", "Paid", "Road"]
