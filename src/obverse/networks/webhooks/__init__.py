"""Webhooks going out: one signed POST each, to an address that was looked at first (PF-4, P13)."""

from obverse.networks.webhooks.client import Resolve, WebhookClient

__all__ = ["Resolve", "WebhookClient"]
