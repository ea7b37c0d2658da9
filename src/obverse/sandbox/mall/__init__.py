"""A mall: a small online shop that takes card numbers on its checkout page and keeps none.

It pays by either road (OT-10): through the clearing house over ISO 8583, or by asking the provider over REST.
"""

from obverse.sandbox.mall.mall import Mall
from obverse.sandbox.mall.model import Order, Paid, Road
from obverse.sandbox.mall.site import MallSite

__all__ = ["Mall", "MallSite", "Order", "Paid", "Road"]
