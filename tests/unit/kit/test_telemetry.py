"""P11 in the logs: no card number and no secret, whatever was logged, tracebacks included."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from obverse.kit import telemetry
from obverse.kit.secret import Secret

CARD = "9410121234567891"
VISA = "4111111111111111"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Everything that is logged while the test runs, as a process would write it to stderr."""
    output = io.StringIO()
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, sys.excepthook
    monkeypatch.setattr(sys, "stderr", output)
    telemetry.configure_logging("DEBUG")
    yield output
    root.handlers[:], sys.excepthook = handlers, hook
    root.setLevel(level)
    structlog.reset_defaults()


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param(f"card {VISA} used", "card 411111******1111 used", id="plain"),
        pytest.param("4111 1111 1111 1111", "411111******1111", id="in groups"),
        pytest.param("4111-1111-1111-1111", "411111******1111", id="with dashes"),
        pytest.param(f"PAN{VISA}X", "PAN411111******1111X", id="between letters"),
        pytest.param(f"0100{VISA}000000000000034000", "***", id="inside a longer run of digits"),
        pytest.param("9410124829153066274", "941012*********6274", id="a payment code"),
        pytest.param("29141777631706", "29141777631706", id="fails Luhn"),
        pytest.param("34000 won at 2026-11-20T10:00", "34000 won at 2026-11-20T10:00", id="amount and time"),
        pytest.param("", "", id="empty"),
    ],
)
def test_p11_what_may_be_a_card_number_is_masked(text: str, shown: str) -> None:
    assert telemetry.redact_text(text) == shown


@pytest.mark.parametrize(
    "fields",
    [
        {"number": "5"},
        {"card_number": "5"},
        {"cvv": "123"},
        {"Set-Cookie": "abc"},
        {"password": "hunter2"},
        {"api_token": "ob_test_sk_1"},
        {"deep": {"list": [{"client_secret": "x"}]}},
        {"value": int(VISA)},
        {"value": Secret("hunter2")},
        {"value": [VISA, {"inner": f"x{VISA}"}]},
        {"value": VISA.encode()},
        {VISA[:0] + "url": f"https://host/{VISA}?a=1"},
    ],
    ids=str,
)
def test_p11_secrets_are_hidden_by_name_type_and_pattern(log: io.StringIO, fields: dict[str, Any]) -> None:
    structlog.get_logger("test").info("something", **fields)
    written = log.getvalue()
    assert len(lines(log)) == 1
    for secret in (VISA, "hunter2", "123", "ob_test_sk_1", '"5"', '"x"', '"abc"'):
        assert secret not in written.replace(lines(log)[0]["timestamp"], "")


def test_what_is_no_secret_is_left_alone(log: io.StringIO) -> None:
    fields = {"amount_minor": 34_000, "pan_last4": "1111", "ok": True, "none": None, "rate": 0.5}
    structlog.get_logger("test").info("done", **fields)
    (line,) = lines(log)
    assert line.items() >= (fields | {"event": "done"}).items()


def test_p11_a_traceback_is_redacted(log: io.StringIO) -> None:
    try:
        raise ValueError(f"cannot charge {VISA}")
    except ValueError:
        structlog.get_logger("test").exception("failed")
    (line,) = lines(log)
    assert "ValueError: cannot charge 411111******1111" in line["exception"]
    assert VISA not in log.getvalue()


def test_p11_libraries_that_log_the_standard_way_are_redacted_too(log: io.StringIO) -> None:
    logging.getLogger("some.library").warning("refused %s", VISA)
    try:
        raise ValueError(VISA)
    except ValueError:
        logging.getLogger("some.library").exception("oh")
    assert VISA not in log.getvalue()
    assert [line["level"] for line in lines(log)] == ["warning", "error"]


def test_p11_an_exception_that_ends_the_process_is_redacted() -> None:
    program = (
        "from obverse.kit.telemetry import configure_logging; configure_logging(); "
        f"number = '{VISA}'; raise ValueError(number)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "411111******1111" in json.loads(result.stderr)["exception"]
    assert VISA not in result.stderr.replace(program, "")


def test_metrics_are_written_in_prometheus_format() -> None:
    telemetry.AUTHORIZATIONS.labels("approved", "").inc()
    telemetry.BATCH_SIZE.observe(3)
    text = telemetry.metrics_text().decode()
    assert 'obverse_authorizations_total{decline="",status="approved"}' in text
    assert "obverse_batch_size_bucket" in text
