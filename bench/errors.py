"""What stops a benchmark."""


class BenchFailed(Exception):
    """The run is worth nothing: something answered otherwise than it had to, or not at all."""
