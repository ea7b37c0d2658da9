"""Obverse: pay anywhere without showing the shop your real card."""

__version__ = "0.1.0"
