"""A credit bureau: tells whether a person's credit standing is good, over HTTP (OT-1)."""

from obverse.sandbox.credit_bureau.bureau import CreditBureau, standing_of

__all__ = ["CreditBureau", "standing_of"]
