"""Payment codes: digits on a phone that stand for a card of its member, once and for a short time.

A code is made at random, known to us by a keyed hash alone, and spent by the engine under the locks of the
payment. Phones fetch codes in batches sealed to their own key, and draw them as Code 128 or QR without any
network. Source: PC-1 to PC-10, P10.
"""

from obverse.codes.model import Code, CodePolicy, GuessBudget, Guesses

__all__ = ["Code", "CodePolicy", "GuessBudget", "Guesses"]
