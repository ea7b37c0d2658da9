"""The `obverse` command: serve, the demo and its journeys, and what an operator does to books and keys.

Commands load what they need when they run, so that `obverse --help` answers at once. What has to be put
right outside is told in one line on stderr, with exit code 2.
"""

from obverse.cli.app import main

__all__ = ["main"]
