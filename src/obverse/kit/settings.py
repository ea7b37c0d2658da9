"""Settings: one table, read from `OBVERSE_*`, the same for every process of the platform."""

from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from obverse.kit.calendar import Calendar
from obverse.kit.errors import CannotStart
from obverse.kit.secret import Secret


def _as_secret(value: object) -> object:
    return Secret(value) if isinstance(value, str) else value


def _as_list(value: object) -> object:
    return [day.strip() for day in value.split(",")] if isinstance(value, str) else value


Port = Annotated[int, Field(ge=0, le=65535)]
SecretText = Annotated[Secret, BeforeValidator(_as_secret), PlainSerializer(str)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_as_list)]
Days = Annotated[tuple[date, ...], NoDecode, BeforeValidator(_as_list)]


class Settings(BaseSettings):
    """Everything that may differ between two installations. Units are in the names."""

    model_config = SettingsConfigDict(
        env_prefix="OBVERSE_",
        frozen=True,
        extra="ignore",
        arbitrary_types_allowed=True,
        env_ignore_empty=True,
    )

    data_dir: Path = Field(Path(".obverse"), description="Where the embedded database and the keys are kept.")
    database_url: SecretText | None = Field(
        None, description="A PostgreSQL 15 or newer of your own; without it, an embedded one is started."
    )
    database_connections: int = Field(16, ge=2, le=500, description="Connections per process, at most.")
    database_timeout_ms: int = Field(
        2_000, ge=50, description="How long a request waits for a free connection before it is refused."
    )
    key_file: Path | None = Field(
        None, description="The key ring. Default: `keys.json` in the data directory."
    )
    bin: str = Field(
        "941012", pattern=r"^[0-9]{6}$", description="First six digits of the cards we issue; fixed for ever."
    )
    partitions: int = Field(1, ge=1, le=100, description="How many parts hot tables have; fixed for ever.")
    workers: int = Field(
        1, ge=1, le=64, description="Processes that share the doors' ports and the database."
    )
    rest_host: str = Field("127.0.0.1", description="Where the REST door listens.")
    rest_port: Port = Field(8080, description="0 picks a free port.")
    acquirer_host: str = Field("127.0.0.1", description="Where the ISO 8583 door listens.")
    acquirer_port: Port = Field(8583, description="0 picks a free port.")
    card_company_host: str = Field(
        "127.0.0.1", description="The card company, or the clearing house before it."
    )
    card_company_port: Port = Field(8585, description="Its ISO 8583 port.")
    card_company_files_url: str = Field(
        "http://127.0.0.1:8587", description="The card company's exchange for clearing files."
    )
    off_us_timeout_ms: int = Field(
        5_000, ge=100, le=60_000, description="How long a payment waits for card companies in all."
    )
    card_validity_hours: int = Field(
        24,
        ge=1,
        le=26_280,
        description="How long a one-time number can be used when its member sets no expiry.",
    )
    hold_days: int = Field(
        7, ge=1, le=365, description="How long an approval that is not captured holds its money."
    )
    credit_bureau_url: str = Field(
        "http://127.0.0.1:8591", description="Asked for the credit standing of who wants to be a member."
    )
    time_zone: str = Field("Asia/Seoul", description="Where the programme's business days begin and end.")
    cut_off: time = Field(
        time(), description="When a business day ends, local time; `00:00` is the midnight after it."
    )
    holidays: str = Field(
        "KR", pattern=r"^[A-Z]{2}$", description="The country (ISO 3166) whose banking days count."
    )
    extra_holidays: Days = Field(
        (), description="Days on which banks are closed beyond those: `2026-11-30,2026-12-31`."
    )
    settle_days: bool = Field(
        True, description="Settle each business day by itself, once it is over; else when told to."
    )
    bank_channel: Literal["api", "file"] = Field(
        "api", description="How the bank is reached: its API, or ISO 20022 files in `OBVERSE_BANK_FOLDER`."
    )
    bank_url: str = Field("http://127.0.0.1:8593", description="The bank's API.")
    bank_folder: Path = Field(
        Path("bank"), description="Where files for the bank are written and its files are read."
    )
    bank_code: str = Field(
        "090", pattern=r"^[0-9]{3}$", description="The bank that keeps the programme's own account."
    )
    bank_account: str = Field(
        "100200300400", pattern=r"^[0-9]{6,16}$", description="The programme's own account there."
    )
    bank_account_holder: str = Field(
        "Obverse", min_length=1, max_length=70, description="Its holder, as recipients of pay-outs read it."
    )
    dispute_days: int = Field(
        120, ge=1, le=3_650, description="How long after its capture a payment may be disputed."
    )
    dispute_answer_days: int = Field(
        14, ge=1, le=365, description="How long a merchant may take to answer a dispute."
    )
    code_proof_from_minor: int = Field(
        50_000,
        ge=0,
        description="From this amount a code needs a PIN or a passkey; merchants may agree on another.",
    )
    code_interval_s: int = Field(
        180, ge=5, le=604_800, description="How long a phone shows a payment code before the next one."
    )
    code_batch_max: int = Field(
        50, ge=1, le=1_000, description="Codes that a phone may hold for a card, for times without a network."
    )
    code_notices_a_day: int = Field(
        3, ge=0, le=100, description="How often a day a member is told that payment codes were made."
    )
    meter_validity_s: int = Field(
        300, ge=10, le=86_400, description="How long a metered session may be silent."
    )
    meter_grace_s: int = Field(
        60, ge=0, le=86_400, description="How much longer until it is cut off: what was reported is paid."
    )
    diameter_host: str = Field("127.0.0.1", description="Where the Diameter door listens.")
    diameter_port: Port | None = Field(
        None, description="Its port, usually 3868; without one that door stays shut. 0 picks a free port."
    )
    diameter_identity: str = Field(
        "credit.obverse.example",
        pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$",
        description="Its Origin-Host; the realm is what follows the first dot.",
    )
    diameter_relays: Names = Field(
        (), description="Diameter relays that may speak for calling servers: `relay1.example.net,...`."
    )
    currency: str = Field("KRW", pattern=r"^[A-Z]{3}$", description="The programme's currency (ISO 4217).")
    credit_limit_minor: int = Field(
        1_000_000, ge=0, description="Credit line of a member who registers for credit, in minor units."
    )
    bill_due_days: int = Field(
        14, ge=0, le=90, description="How long after its issue a bill is due; on the next banking day."
    )
    bill_grace_days: int = Field(
        7, ge=0, le=365, description="How long after that an unpaid bill stops its credit line."
    )
    points_invoice_due_days: int = Field(
        14, ge=0, le=90, description="How long after its issue an invoice to a points issuer is due."
    )
    points_timeout_ms: int = Field(
        2_000, ge=100, le=30_000, description="How long points issuers have for each answer."
    )
    points_quote_s: int = Field(
        300, ge=10, le=86_400, description="How long the rates and balances hold that a till was shown."
    )
    points_lookups_per_minute: int = Field(
        60, ge=1, le=100_000, description="How often a points issuer may look up accounts, each minute."
    )
    rp_id: str = Field(
        "localhost",
        pattern=r"^[a-z0-9.-]{1,253}$",
        description="The domain that passkeys are bound to; with another one, those there are stop working.",
    )
    origin: str = Field(
        "http://localhost:8080",
        pattern=r"^https?://[^/\s]+$",
        description="Where the pages are served on which members use their passkeys.",
    )
    aggregate_members_min: int = Field(
        5, ge=2, le=1_000, description="How many members a figure about purchases is about, at least."
    )
    live: bool = Field(False, description="Real money: no sandbox endpoints, and only `live` API keys.")
    webhooks_to_private_addresses: bool = Field(
        False,
        description="Lets webhooks go to any address and over plain http, to try things; never when live.",
    )
    pin_key: SecretText | None = Field(
        None, description="Triple DES key by which terminals encipher PINs (format 0): 32 or 48 hex digits."
    )
    pin_key_aes: SecretText | None = Field(
        None, description="AES key for the same (format 4): 32, 48 or 64 hex digits."
    )
    public_url: str = Field(
        "http://127.0.0.1:8080",
        pattern=r"^https?://[^\s?#]+$",
        description="Where links in letters lead: the platform as people's browsers find it.",
    )
    smtp_host: str = Field("127.0.0.1", description="The mail relay that delivers our letters.")
    smtp_port: Port = Field(8594, description="Its port.")
    smtp_tls: Literal["none", "starttls", "tls"] = Field(
        "none", description="How the line to it is protected; `none` is for a relay on this machine."
    )
    smtp_user: str | None = Field(None, description="Who we are there, where it asks.")
    smtp_password: SecretText | None = Field(None, description="And the password.")
    mail_from: str = Field(
        "Obverse <no-reply@obverse.example>",
        pattern=r"^[^<>\r\n]+ <[A-Za-z0-9.+_-]+@[A-Za-z0-9.-]+>$",
        description="The sender of our mail: `Name <address>`.",
    )
    sms_url: str = Field("http://127.0.0.1:8595", description="The SMS provider.")
    sms_key: SecretText | None = Field(None, description="Our key there; the sandbox takes any.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="What is worth a log line."
    )

    @property
    def key_ring_file(self) -> Path:
        """Where the key ring is, set or not."""
        return self.key_file or self.data_dir / "keys.json"

    def calendar(self) -> Calendar:
        """Business and banking days as set. Raises `CannotStart` for what nobody knows."""
        return Calendar(self.time_zone, self.cut_off, self.holidays, self.extra_holidays)

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment; `overrides` win over it. Raises `CannotStart` with one line."""
        try:
            return cls(**overrides)
        except ValidationError as error:
            # Names and rules only: the value could be a password.
            first = error.errors(include_input=False, include_url=False)[0]
            name = "_".join(str(part) for part in first["loc"]).upper()
            raise CannotStart(f"OBVERSE_{name} is wrong: {first['msg']}.") from None


def settings_table() -> str:
    """All settings as a Markdown table, for docs/settings.md and `obverse settings`."""
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, ()) else f"`{_shown(field.default)}`"
        lines.append(f"| `OBVERSE_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    if isinstance(value, time):
        return value.isoformat("minutes")
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
