"""The credit bureau, asked over HTTP before anybody becomes a member (OT-1)."""

from obverse.networks.credit_bureau.client import CreditBureauClient

__all__ = ["CreditBureauClient"]
