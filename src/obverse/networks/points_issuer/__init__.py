"""Points issuers, asked over HTTP: balances, takes, links, and what they are told afterwards (PR-1 to PR-8).

Requests of many payments share one; an issuer that is slow or down holds up no other. The protocol is in
docs/messages/points-issuer.md.
"""

from obverse.networks.points_issuer.client import PointsIssuerClient

__all__ = ["PointsIssuerClient"]
