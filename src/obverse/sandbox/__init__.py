"""Partners that speak the real protocols over real sockets, so that journeys need no outside world (PF-5).

They import no business room and nothing of `obverse.networks`: they share only the wire with the platform, so
a mistake in one side's reading of a message shows up as a failed journey instead of cancelling out.
`service.Sandbox` starts and stops them all; `control` is where people and tests see and set what they do.
"""

from obverse.sandbox.bank import Bank
from obverse.sandbox.card_company import CardCompany
from obverse.sandbox.clearing_house import ClearingHouse
from obverse.sandbox.credit_bureau import CreditBureau
from obverse.sandbox.mall import Mall
from obverse.sandbox.service import Sandbox, SandboxSettings, run
from obverse.sandbox.terminal import Till

__all__ = [
    "Bank",
    "CardCompany",
    "ClearingHouse",
    "CreditBureau",
    "Mall",
    "Sandbox",
    "SandboxSettings",
    "Till",
    "run",
]
