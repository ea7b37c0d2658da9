"""A prepaid-calling server: lets callers talk for as long as their card pays, and reports as they do.

It asks over REST or by Diameter; the seconds of a call are counted, not waited for.
"""

from obverse.sandbox.calling.diameter import DiameterLine
from obverse.sandbox.calling.model import Call, Card, Granted, Line, NoCall
from obverse.sandbox.calling.rest import RestLine
from obverse.sandbox.calling.server import CallingServer

__all__ = ["Call", "CallingServer", "Card", "DiameterLine", "Granted", "Line", "NoCall", "RestLine"]
