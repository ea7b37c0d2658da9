"""Mail, sent through one relay over SMTP."""

from obverse.networks.mail.client import MailClient, Relay, Tls

__all__ = ["MailClient", "Relay", "Tls"]
