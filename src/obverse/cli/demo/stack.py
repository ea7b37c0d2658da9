"""Platform and sandbox, brought up together and joined by their addresses."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from obverse.cli.demo.children import NEW_KEY, Child
from obverse.cli.journeys.places import Address
from obverse.kit.errors import CannotStart
from obverse.kit.secret import Secret
from obverse.kit.settings import Settings
from obverse.sandbox.terminal.pin_pad import SANDBOX_KEY, SANDBOX_KEY_AES

HOST: Final = "127.0.0.1"
_PARTNERS: Final = (
    *("card_company", "card_company_files", "mall", "credit_bureau", "bank", "mail", "sms", "van"),
    *("points_issuers", "control"),
)
_DIAMETER_PORT: Final = 3868
_PIN_KEYS: Final = {
    "OBVERSE_PIN_KEY": SANDBOX_KEY.reveal(),
    "OBVERSE_PIN_KEY_AES": SANDBOX_KEY_AES.reveal(),
}
"""Those of the sandbox's pads, where no others are set."""
_ANY_PORTS: Final = {f"{name}_port": 0 for name in _PARTNERS}


@dataclass(frozen=True, slots=True)
class Standing:
    """What runs, and where."""

    platform: Child
    sandbox: Child
    rest_url: str
    acquirer: Address
    diameter: Address
    clearing_house: Address
    mall_url: str
    control_url: str
    origin: str
    """Where the pages are on which members use their passkeys."""

    async def new_api_key(self) -> str:
        """An operator's key, straight from the platform: somebody has to make the first one."""
        key: str = (await self.platform.ask(NEW_KEY))["api_key"]
        return key


@asynccontextmanager
async def standing(settings: Settings, *, free_ports: bool = False) -> AsyncIterator[Standing]:
    """Bring everything up; at the end, take it down in the opposite order.

    The clearing house takes the port at which the platform expects its card company. `free_ports` is for the
    partners that no setting names: any ports instead of the usual ones. Raises `CannotStart` with one line.
    """
    logs = _log_folder(settings.data_dir)
    options = {
        "provider_bin": settings.bin,
        "acquirer_host": settings.acquirer_host,
        "acquirer_port": settings.acquirer_port,
        "clearing_house_port": settings.card_company_port,
        "provider_bank": settings.bank_code,
        "provider_account": settings.bank_account,
        "provider_holder": settings.bank_account_holder,
        "currency": settings.currency,
        "time_zone": settings.time_zone,
        "clearing_house_timeout_s": settings.off_us_timeout_ms / 1000 + 2,
    }
    async with AsyncExitStack() as stack:
        if free_ports:
            options |= _ANY_PORTS
        sandbox = Child("sandbox", logs / "sandbox.log", options=options)
        at = (await stack.enter_async_context(sandbox)).told
        environment = _environment(settings) | {
            "OBVERSE_CARD_COMPANY_HOST": HOST,
            "OBVERSE_CARD_COMPANY_PORT": str(at["clearing_house"]),
            "OBVERSE_CARD_COMPANY_FILES_URL": f"http://{HOST}:{at['card_company_files']}",
            "OBVERSE_BANK_URL": f"http://{HOST}:{at['bank']}",
            "OBVERSE_CREDIT_BUREAU_URL": f"http://{HOST}:{at['credit_bureau']}",
            "OBVERSE_SMTP_HOST": HOST,
            "OBVERSE_SMTP_PORT": str(at["mail"]),
            "OBVERSE_SMTP_TLS": "none",
            "OBVERSE_SMS_KEY": "sandbox",
            "OBVERSE_SMS_URL": f"http://{HOST}:{at['sms']}",
            "OBVERSE_WEBHOOKS_TO_PRIVATE_ADDRESSES": "true",
            "OBVERSE_DIAMETER_PORT": str(_diameter_port(settings, free_ports=free_ports)),
        }
        platform = Child("platform", logs / "platform.log", settings=environment)
        told = (await stack.enter_async_context(platform)).told
        found = Standing(
            platform=platform,
            sandbox=sandbox,
            rest_url=told["rest_url"],
            acquirer=(settings.acquirer_host, told["acquirer_port"]),
            diameter=(settings.diameter_host, told["diameter_port"]),
            clearing_house=(HOST, at["clearing_house"]),
            mall_url=f"http://{HOST}:{at['mall']}",
            control_url=f"http://{HOST}:{at['control']}",
            origin=settings.origin,
        )
        await _introduce(found, told["clock_offset_seconds"])
        yield found


async def _introduce(found: Standing, offset_seconds: int) -> None:
    """Tell the partners what they could not know: where the acquirer door is, and the platform's time.

    An earlier start may have moved the platform's clock, which its database remembers.
    """
    host, port = found.acquirer
    async with httpx.AsyncClient(base_url=found.control_url, trust_env=False) as client:
        (await client.put("/provider", json={"host": host, "port": port})).raise_for_status()
        (await client.put("/clock", json={"offset_seconds": offset_seconds})).raise_for_status()


def _diameter_port(settings: Settings, *, free_ports: bool) -> int:
    """The demo opens that door also where nobody has set a port for it."""
    usual = 0 if free_ports else _DIAMETER_PORT
    return usual if settings.diameter_port is None else settings.diameter_port


def _environment(settings: Settings) -> dict[str, str]:
    """What was set, by whatever means, as the variables that a child reads it from."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    return _PIN_KEYS | {
        f"OBVERSE_{name.upper()}": _written(value) for name, value in given.items() if value is not None
    }


def _written(value: object) -> str:
    """A setting as the environment has it."""
    if isinstance(value, Secret):
        return value.reveal()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _log_folder(data_dir: Path) -> Path:
    logs = data_dir / "logs"
    try:
        logs.mkdir(parents=True, exist_ok=True)
        for name in ("platform.log", "sandbox.log"):
            (logs / name).touch(mode=0o600)
    except OSError as error:
        raise CannotStart(
            f"Cannot write the data directory {data_dir}: {error.strerror}. "
            "Make it writable, or set OBVERSE_DATA_DIR to another one."
        ) from error
    return logs
