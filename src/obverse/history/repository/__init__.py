"""The room's SQL: `entries` of cards, made of `parts`; `consents`; `cells` of what was counted."""

from obverse.history.repository.entries import of_card, of_member

__all__ = ["of_card", "of_member"]
