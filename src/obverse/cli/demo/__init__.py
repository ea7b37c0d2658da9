"""Everything at once on one machine: platform and sandbox as child processes, demo merchants and members.

`standing` brings it up and takes it down again; whatever becomes of this process, its children end with it.
"""

from obverse.cli.demo.commands import demo, journeys, sandbox

__all__ = ["demo", "journeys", "sandbox"]
