"""Everybody's mailbox and telephone: a mail server and an SMS provider that keep what they take."""

from obverse.sandbox.mailbox.box import KEPT_MAX, Box, Kept
from obverse.sandbox.mailbox.looking import mailbox_routes
from obverse.sandbox.mailbox.mail_server import MailServer
from obverse.sandbox.mailbox.sms_provider import SmsProvider

__all__ = ["KEPT_MAX", "Box", "Kept", "MailServer", "SmsProvider", "mailbox_routes"]
