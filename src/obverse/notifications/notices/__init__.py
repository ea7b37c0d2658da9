"""Notices to members: receipts for each use of a card, what was undone or charged, and what will expire.

Receipts follow the outbox as webhooks do; what expires is looked for a month and a week before. Every notice
has a key of its own, so that it is sent once whoever looks again. Source: WA-3, PP-6, PP-14.
"""

from obverse.notifications.notices.expiry import ExpiryNotices
from obverse.notifications.notices.receipts import Receipts

__all__ = ["ExpiryNotices", "Receipts"]
