"""The Diameter door: credit control (RFC 8506) for calling servers, over RFC 6733 on TCP.

Messages are read and written by python-diameter; the connections are our own. Its node answers by hop-by-hop
identifier alone, whoever asked (P12), refuses what comes again with the T flag instead of answering it the
same (P6), and runs on threads. What may stand in which AVP: docs/metering.md.
"""

from obverse.doors.diameter.door import DiameterDoor, Identity
from obverse.doors.diameter.limits import Limits

__all__ = ["DiameterDoor", "Identity", "Limits"]
