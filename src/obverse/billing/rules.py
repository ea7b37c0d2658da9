"""Decisions of this room. Pure: no I/O, no clock."""
