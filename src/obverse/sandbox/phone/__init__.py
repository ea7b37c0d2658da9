"""A phone that shows payment codes, and the scanners that read them off its screen.

The phone has a key pair of its own; codes come sealed to it, are kept in memory alone, and are drawn without
any network. The scanners are a till's laser and the webcam of a PC: they see pixels, nothing else.
"""

from obverse.sandbox.phone.passkey import Passkey
from obverse.sandbox.phone.phone import NoNetwork, NotMine, Phone, Refused
from obverse.sandbox.phone.pictures import Picture
from obverse.sandbox.phone.scanner import NothingSeen, Scanner
from obverse.sandbox.phone.screen import NoCode, Screen

__all__ = [
    "NoCode",
    "NoNetwork",
    "NotMine",
    "NothingSeen",
    "Passkey",
    "Phone",
    "Picture",
    "Refused",
    "Scanner",
    "Screen",
]
