"""Logs without secrets, and metrics.

Logs are JSON lines on stderr, ours and those of the libraries alike. Every line passes `redact` last, after
tracebacks were turned into text, so a card number cannot leave through an error message. Source: P11.
"""

import logging
import re
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from stdnum import luhn

from obverse.kit.secret import Secret, mask_number

REGISTRY: Final = CollectorRegistry()
METRICS_CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

AUTHORIZATIONS: Final = Counter(
    "obverse_authorizations", "Decisions, by how they came out.", ("status", "decline"), registry=REGISTRY
)
BATCH_SIZE: Final = Histogram(
    "obverse_batch_size",
    "Commands decided in one commit.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
    registry=REGISTRY,
)
DECISION_SECONDS: Final = Histogram(
    "obverse_decision_seconds",
    "From a door asking to the closing commit.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
    registry=REGISTRY,
)
DOOR_CONNECTIONS: Final = Gauge(
    "obverse_door_connections", "Connections open at a door.", ("door",), registry=REGISTRY
)
JOBS_WAITING: Final = Gauge(
    "obverse_jobs_waiting",
    "Jobs not done yet; those of `reverse_leg` are reversals that no card company has acknowledged.",
    ("entrypoint",),
    registry=REGISTRY,
)
JOBS_POSTPONED: Final = Counter(
    "obverse_jobs_postponed",
    "Attempts at a job that failed and are repeated.",
    ("entrypoint",),
    registry=REGISTRY,
)
WEBHOOK_ATTEMPTS: Final = Counter(
    "obverse_webhook_attempts",
    "Attempts to deliver an event, by what came of them.",
    ("outcome",),
    registry=REGISTRY,
)
WEBHOOK_SECONDS: Final = Histogram(
    "obverse_webhook_seconds",
    "How long an attempt took, connecting included.",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20),
    registry=REGISTRY,
)
WEBHOOK_ENDPOINTS_DISABLED: Final = Counter(
    "obverse_webhook_endpoints_disabled",
    "Endpoints given up after days of nothing but failures.",
    registry=REGISTRY,
)

LETTER_ATTEMPTS: Final = Counter(
    "obverse_letter_attempts",
    "Attempts to send a letter, by what came of them.",
    ("channel", "outcome"),
    registry=REGISTRY,
)
POINTS_ISSUER_REQUESTS: Final = Counter(
    "obverse_points_issuer_requests",
    "Requests to points issuers, of one item or many, by what came of them.",
    ("operation", "outcome"),
    registry=REGISTRY,
)
POINTS_ISSUER_SECONDS: Final = Histogram(
    "obverse_points_issuer_seconds",
    "How long those took that were answered.",
    ("operation",),
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2),
    registry=REGISTRY,
)
POINTS_MESSAGES_WAITING: Final = Gauge(
    "obverse_points_messages_waiting",
    "What points issuers have not acknowledged yet.",
    registry=REGISTRY,
)

_HIDDEN: Final = "***"
_SECRET_WORDS: Final = frozenset(
    {"number", "pan", "cvv", "cvv2", "cvc", "pin", "password", "token", "secret", "cookie", "authorization"}
)
_DIGITS: Final = re.compile(r"\d(?:[ -]?\d){12,}")
_NOT_DIGIT: Final = re.compile(r"\D")
_CARD_LENGTHS: Final = range(13, 20)


def metrics_text() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)


def configure_logging(level: str = "INFO") -> None:
    """Send all logs of this process to stderr as redacted JSON lines, unhandled exceptions included."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                structlog.processors.JSONRenderer(default=_describe, ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("alembic", "httpcore", "httpx", "pgqueuer", "uvicorn"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    sys.excepthook = _log_unhandled


def redact(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The last processor: hide values by their key's name, and card numbers wherever they are."""
    return {key: _redacted(key, value) for key, value in event.items()}


def redact_text(text: str) -> str:
    """Mask everything in a text that may be a card number: 13 to 19 digits that pass the Luhn check.

    >>> redact_text("declined 4111 1111 1111 1111 at 2026")
    'declined 411111******1111 at 2026'
    """
    return _DIGITS.sub(lambda match: _mask_run(match.group()), text)


def _redacted(key: str, value: object) -> object:
    if isinstance(value, bool | float | None):
        return value
    if key.lower().replace("-", "_").rpartition("_")[2] in _SECRET_WORDS:
        return _HIDDEN
    if isinstance(value, Mapping):
        return {str(name): _redacted(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted("", inner) for inner in value]
    text = value if isinstance(value, str) else _describe(value)
    clean = redact_text(text)
    return value if isinstance(value, int) and clean == text else clean


def _mask_run(run: str) -> str:
    digits = _NOT_DIGIT.sub("", run)
    if len(digits) in _CARD_LENGTHS:
        return mask_number(digits) if _hides_card(digits) else run
    # Longer than any card number: it may hold one, as a raw message does. When unsure, mask.
    return _HIDDEN if _hides_card(digits) else run


def _hides_card(digits: str) -> bool:
    return any(
        luhn.is_valid(digits[start : start + length])
        for length in _CARD_LENGTHS
        for start in range(len(digits) - length + 1)
    )


def _describe(value: object) -> str:
    if isinstance(value, Secret):
        return _HIDDEN
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return str(value)


def _log_unhandled(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger("obverse").critical("unhandled_exception", exc_info=(kind, error, trace))
