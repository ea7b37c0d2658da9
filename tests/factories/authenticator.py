"""A software authenticator: what a phone does with a passkey, in code; the sandbox's phone has it."""

from obverse.sandbox.phone.passkey import ORIGIN, decoded, encoded
from obverse.sandbox.phone.passkey import Passkey as Authenticator

__all__ = ["ORIGIN", "Authenticator", "decoded", "encoded"]
