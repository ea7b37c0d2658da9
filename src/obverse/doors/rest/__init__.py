"""The REST door: `/v1/...`, JSON in and out, problem details for refusals, OpenAPI 3.1 and its own docs page.

It turns requests into calls on the rooms below and answers into shapes that integrators can rely on; who may
see what is decided here and nowhere else (P12, PF-11). Conventions: docs/rest.md.
"""

from obverse.doors.rest.app import create_app
from obverse.doors.rest.services import PointsRelay, Services

__all__ = ["PointsRelay", "Services", "create_app"]
