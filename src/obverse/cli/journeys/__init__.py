"""The journeys of the requirements, walked step by step as the parties would: over HTTP and ISO 8583.

Nothing here reaches into the platform. A journey is a list of named steps; `walk` runs it, `Narration` hears
who says what to whom. `obverse journeys` and `obverse demo` print it, tests/journeys asserts it.
"""

from obverse.cli.journeys.catalogue import JOURNEYS
from obverse.cli.journeys.places import MerchantPlace, Places
from obverse.cli.journeys.printing import Printer
from obverse.cli.journeys.running import Journey, StepReport, walk
from obverse.cli.journeys.world import World

__all__ = ["JOURNEYS", "Journey", "MerchantPlace", "Places", "Printer", "StepReport", "World", "walk"]
