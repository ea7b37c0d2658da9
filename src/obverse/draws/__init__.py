"""Draws: the holder of a handed-over number takes its amount to a bank account."""
