"""When an issuer is left alone, and whether what its protocol's page shows is so."""

import re
from datetime import UTC, datetime
from pathlib import Path

from standardwebhooks import Webhook

from obverse.networks.points_issuer.breaker import Breaker

PAGE = (Path(__file__).parents[3] / "docs" / "messages" / "points-issuer.md").read_text()


def test_a_breaker_opens_after_failures_in_a_row_lets_one_try_through_per_pause_and_closes() -> None:
    seconds = 100.0
    breaker = Breaker(lambda: seconds, failures_max=3, pause_s=2.0)
    assert [breaker.failed() for _ in range(2)] == [False, False]
    assert not breaker.succeeded(), "it was closed"
    assert [breaker.failed() for _ in range(3)] == [False, False, True]
    assert not breaker.may_try()
    seconds += 2.0
    assert [breaker.may_try() for _ in range(3)] == [True, False, False]
    assert not breaker.failed(), "it is open already"
    seconds += 1.9
    assert not breaker.may_try()
    seconds += 0.1
    assert breaker.may_try()
    assert breaker.succeeded()
    assert all(breaker.may_try() for _ in range(3))


def test_a_try_of_which_nothing_is_heard_does_not_keep_a_breaker_open_for_ever() -> None:
    seconds = 0.0
    breaker = Breaker(lambda: seconds, failures_max=1, pause_s=2.0)
    breaker.failed()
    seconds += 2.0
    assert [breaker.may_try(), breaker.may_try()] == [True, False]
    seconds += 2.0
    assert breaker.may_try()


def test_the_signature_on_the_page_is_right() -> None:
    (secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]{10,}", PAGE)
    (example,) = re.findall(r"```http\n(.*?)```", PAGE, re.DOTALL)
    head, _, body = example.rstrip("\n").partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert Webhook(secret).sign(headers["webhook-id"], at, body) == headers["webhook-signature"]
