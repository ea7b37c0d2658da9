"""Text messages, sent through one provider over HTTP."""

from obverse.networks.sms.client import SmsClient

__all__ = ["SmsClient"]
