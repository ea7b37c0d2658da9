"""The treasury over a scripted bank, and over the sandbox's bank on a port."""

from collections.abc import AsyncIterator

import pytest
from tests.factories.sandbox import HOST
from tests.factories.treasury import (
    OWN,
    ScriptedBank,
    TreasuryHouse,
    a_sandbox_bank,
    treasury_house,
)
from tests.factories.wallet import House

from obverse.kit.clock import Clock
from obverse.networks.bank import BankApi
from obverse.sandbox.bank import Bank as SandboxBank


@pytest.fixture
def bank() -> ScriptedBank:
    return ScriptedBank()


@pytest.fixture
async def treasury(house: House, bank: ScriptedBank) -> TreasuryHouse:
    return await treasury_house(house, bank)


@pytest.fixture
async def sandbox_bank(clock: Clock) -> AsyncIterator[SandboxBank]:
    bank = a_sandbox_bank(clock)
    await bank.start(HOST)
    yield bank
    await bank.stop()


@pytest.fixture
async def api(sandbox_bank: SandboxBank) -> AsyncIterator[BankApi]:
    api = BankApi(f"http://{HOST}:{sandbox_bank.port}", OWN, timeout_seconds=0.5)
    yield api
    await api.close()


@pytest.fixture
async def at_sandbox(house: House, api: BankApi) -> TreasuryHouse:
    return await treasury_house(house, api)
