"""The acquirer door: an ISO 8583 server for acquirers, clearing houses and tills.

Long-lived connections, many requests in flight on each, answers in any order and only to the connection that
asked. Wrong bytes close that connection, never the door. Field by field: docs/iso8583.md.
"""

from obverse.doors.acquirer.door import AcquirerDoor
from obverse.doors.acquirer.limits import Limits
from obverse.doors.acquirer.ports import ClaimDesk, MerchantDirectory, PaymentEngine, PointsDesk

__all__ = ["AcquirerDoor", "ClaimDesk", "Limits", "MerchantDirectory", "PaymentEngine", "PointsDesk"]
