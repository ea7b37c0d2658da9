"""Payment codes: digits on a phone that stand for a card of its member, once and for a short time.

A code is made at random, known to us by a keyed hash alone, and spent by the engine under the locks of the
payment. Phones fetch codes in batches sealed to their own key, and draw them as Code 128 or QR without any
network. Source: PC-1 to PC-10, P10.
"""

from obverse.codes.devices import Devices
from obverse.codes.emv import digits_of
from obverse.codes.errors import (
    CardNotPresentable,
    DeviceNotFound,
    NothingAvailable,
    TooManyCodeBatches,
    TooManyDevices,
)
from obverse.codes.jobs import sweep
from obverse.codes.making_model import Batch, BatchWish, CodeTerms, Device, PublicKey
from obverse.codes.model import Code, CodePolicy, GuessBudget, Guesses
from obverse.codes.service import CodeBatches

__all__ = [
    "Batch",
    "BatchWish",
    "CardNotPresentable",
    "Code",
    "CodeBatches",
    "CodePolicy",
    "CodeTerms",
    "Device",
    "DeviceNotFound",
    "Devices",
    "GuessBudget",
    "Guesses",
    "NothingAvailable",
    "PublicKey",
    "TooManyCodeBatches",
    "TooManyDevices",
    "digits_of",
    "sweep",
]
