"""Promise P12 over REST: nobody sees or touches what is another's, on any route there is.

The table below has a row for every route of the app. A route without a row fails the first test, so nobody
adds one without saying what strangers get.
"""

from dataclasses import dataclass
from typing import Any, Final

import pytest
import pytest_asyncio
from litestar.routes import HTTPRoute
from tests.factories.claims import a_file, a_line
from tests.factories.rest import Member, RestHouse

from obverse.access import Scope
from obverse.doors.rest.auth import Allow, Applicant, Everyone, Holder

pytestmark = pytest.mark.asyncio(loop_scope="module")
PUBLIC: Final = "public"
"""Needs no token."""
EMPTY: Final = "empty list"
"""Answered, with nothing of the victim's in it."""
OWN: Final = "own"
"""Answered, about the caller's own things only."""
AMOUNT: Final = {"amount": 100, "currency": "KRW"}
ACCOUNT: Final = {"bank_code": "004", "number": "110222333444", "holder": "Stranger"}
COMPLAINT: Final = {"payment": "{auth}", "reason": "not_received", "statement": "It never came."}
MISSING: Final = "mem_01h455vb4pex5vsknk084sn02q"


@dataclass(frozen=True)
class Row:
    """What another merchant's key and another member's session get; ids in `{}` are the victim's."""

    merchant: int | str
    member: int | str
    body: dict[str, Any] | None = None
    anonymous: int | str = 401


ROWS: Final[dict[tuple[str, str], Row]] = {
    ("POST", "/v1/payments"): Row(
        404, 403, {**AMOUNT, "card_number": "9410120000000000", "merchant": "{mer}"}
    ),
    ("POST", "/v1/payments/dry_run"): Row(
        404, 404, {**AMOUNT, "card": "{card}", "card_number": "{number}", "merchant": "{mer}"}
    ),
    ("GET", "/v1/payments"): Row(EMPTY, 404),
    ("GET", "/v1/authorizations"): Row(EMPTY, 404),
    ("GET", "/v1/payments/{auth}"): Row(404, 404),
    ("GET", "/v1/authorizations/{auth}"): Row(404, 404),
    ("POST", "/v1/payments/{auth}/cancel"): Row(404, 403),
    ("POST", "/v1/payments/{auth}/capture"): Row(404, 403),
    ("POST", "/v1/payments/{auth}/refund"): Row(404, 403),
    ("GET", "/v1/payments/{auth}/actions"): Row(404, 404),
    ("POST", "/v1/cards"): Row(403, 404, {"member": "{mem}"}),
    ("GET", "/v1/cards"): Row(403, EMPTY),
    ("GET", "/v1/cards/{card}"): Row(403, 404),
    ("POST", "/v1/cards/{card}/reveal"): Row(403, 404),
    ("POST", "/v1/cards/{card}/suspend"): Row(403, 404),
    ("POST", "/v1/cards/{card}/resume"): Row(403, 404),
    ("POST", "/v1/cards/{card}/close"): Row(403, 404),
    ("POST", "/v1/cards/{card}/hand_over"): Row(403, 404),
    ("POST", "/v1/cards/{card}/withdraw"): Row(403, 404),
    ("POST", "/v1/claims"): Row(404, 404, {"token": "ob_claim_guess"}, anonymous=404),
    ("GET", "/v1/claims/current"): Row(401, 401),
    ("POST", "/v1/claims/current/reveal"): Row(401, 401),
    ("GET", "/v1/claims/current/payments"): Row(401, 401),
    ("POST", "/v1/claims/current/draws"): Row(401, 401, {"account": ACCOUNT}),
    ("GET", "/v1/claims/current/draws"): Row(401, 401),
    ("PUT", "/v1/claims/current/draws/{draw}/account"): Row(401, 401, ACCOUNT),
    ("POST", "/v1/claims/current/disputes"): Row(401, 401, COMPLAINT),
    ("GET", "/v1/claims/current/disputes"): Row(401, 401),
    ("GET", "/v1/claims/current/disputes/{dis}"): Row(401, 401),
    ("POST", "/v1/claims/current/disputes/{dis}/withdraw"): Row(401, 401),
    ("GET", "/v1/claims/current/disputes/{dis}/documents/{number}"): Row(401, 401),
    ("POST", "/v1/disputes"): Row(403, 404, COMPLAINT),
    ("GET", "/v1/disputes"): Row(EMPTY, EMPTY),
    ("GET", "/v1/disputes/{dis}"): Row(404, 404),
    ("POST", "/v1/disputes/{dis}/withdraw"): Row(403, 404),
    ("POST", "/v1/disputes/{dis}/documents"): Row(404, 403),
    ("GET", "/v1/disputes/{dis}/documents/{number}"): Row(404, 404),
    ("POST", "/v1/disputes/{dis}/answer"): Row(404, 403, {"text": "Not mine to say."}),
    ("POST", "/v1/disputes/{dis}/accept"): Row(404, 403),
    ("POST", "/v1/disputes/{dis}/decide"): Row(403, 403, {"outcome": "member_pays", "reason": "a try"}),
    ("POST", "/v1/members"): Row(403, 403, {}),
    ("GET", "/v1/members/{mem}"): Row(403, 404),
    ("POST", "/v1/members/{mem}/suspend"): Row(403, 403),
    ("POST", "/v1/members/{mem}/reinstate"): Row(403, 403),
    ("POST", "/v1/sessions"): Row(401, 401, {"member": MISSING, "password": "a guess at it"}),
    ("DELETE", "/v1/sessions/current"): Row(403, OWN),
    ("GET", "/v1/funding_sources"): Row(403, 404),
    ("POST", "/v1/linked_cards"): Row(
        403,
        404,
        {
            "member": "{mem}",
            "card_number": "9530100000000005",
            "exp_month": 1,
            "exp_year": 2030,
            "cvv": "123",
            "birth_date": "900101",
        },
    ),
    ("POST", "/v1/credit_lines"): Row(403, 403, {"member": "{mem}", "limit": 1, "currency": "KRW"}),
    ("POST", "/v1/funding_sources/{src}/remove"): Row(403, 404),
    ("POST", "/v1/bills"): Row(403, 403, {"month": "2020-01"}),
    ("GET", "/v1/bills"): Row(403, 404),
    ("GET", "/v1/bills/{bill}"): Row(403, 404),
    ("GET", "/v1/bills/{bill}/lines"): Row(403, 404),
    ("GET", "/v1/bills/{bill}/bill.csv"): Row(403, 404),
    ("GET", "/v1/members/{mem}/credit"): Row(403, 404),
    ("POST", "/v1/merchants"): Row(403, 403, {}),
    ("GET", "/v1/merchants"): Row(403, 403),
    ("GET", "/v1/merchants/{mer}"): Row(404, 403),
    ("PATCH", "/v1/merchants/{mer}"): Row(403, 403, {"name": "Mine now", "reason": "a try"}),
    ("PUT", "/v1/merchants/{mer}/payout"): Row(403, 403, {"reason": "a try", "account": {}}),
    ("POST", "/v1/merchants/{mer}/suspend"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/merchants/{mer}/resume"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/merchants/{mer}/close"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/merchant_applications"): Row(400, 400, {}, anonymous=400),
    ("GET", "/v1/merchant_applications"): Row(403, 403),
    ("GET", "/v1/merchant_applications/current"): Row(401, 401),
    ("POST", "/v1/merchant_applications/current/key"): Row(401, 401),
    ("GET", "/v1/merchant_applications/{app}"): Row(403, 403),
    ("POST", "/v1/merchant_applications/{app}/approve"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/merchant_applications/{app}/reject"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/api_keys"): Row(403, 403, {}),
    ("GET", "/v1/api_keys"): Row(403, 403),
    ("POST", "/v1/api_keys/{key}/revoke"): Row(403, 403),
    ("POST", "/v1/api_keys/{key}/rotate"): Row(404, 403, {"old_valid_for_seconds": 0}),
    ("GET", "/v1/events"): Row(403, 403),
    ("GET", "/v1/audit_log"): Row(403, 403),
    ("POST", "/v1/webhook_endpoints"): Row(400, 403, {"url": "http://inside"}),
    ("GET", "/v1/webhook_endpoints"): Row(EMPTY, 403),
    ("GET", "/v1/webhook_endpoints/{whe}"): Row(404, 403),
    ("PATCH", "/v1/webhook_endpoints/{whe}"): Row(404, 403, {"description": "mine"}),
    ("DELETE", "/v1/webhook_endpoints/{whe}"): Row(404, 403),
    ("POST", "/v1/webhook_endpoints/{whe}/enable"): Row(404, 403),
    ("POST", "/v1/webhook_endpoints/{whe}/disable"): Row(404, 403),
    ("POST", "/v1/webhook_endpoints/{whe}/rotate_secret"): Row(404, 403),
    ("POST", "/v1/webhook_endpoints/{whe}/test"): Row(404, 403),
    ("GET", "/v1/webhook_endpoints/{whe}/deliveries"): Row(404, 403),
    ("POST", "/v1/webhook_endpoints/{whe}/deliveries/{dlv}/resend"): Row(404, 403),
    ("POST", "/v1/webhook_endpoints/{whe}/replays"): Row(404, 403, {"since": "2026-01-01T00:00:00Z"}),
    ("GET", "/v1/webhook_endpoints/{whe}/replays"): Row(404, 403),
    ("POST", "/v1/settlements"): Row(403, 403, {"day": "2026-11-19"}),
    ("GET", "/v1/settlements"): Row(403, 403),
    ("GET", "/v1/settlements/{stl}"): Row(403, 403),
    ("GET", "/v1/statements"): Row(EMPTY, 403),
    ("GET", "/v1/statements/{stm}"): Row(404, 403),
    ("GET", "/v1/statements/{stm}/statement.csv"): Row(404, 403),
    ("GET", "/v1/statements/{stm}/statement.pdf"): Row(404, 403),
    ("GET", "/v1/payouts"): Row(EMPTY, 403),
    ("GET", "/v1/payouts/{payout}"): Row(404, 403),
    ("GET", "/v1/bank_transfers"): Row(403, 403),
    ("GET", "/v1/bank_transfers/{bank}"): Row(403, 403),
    ("POST", "/v1/bank_transfers/{bank}/retry"): Row(403, 403, {"account": ACCOUNT, "reason": "a try"}),
    ("GET", "/v1/receipts"): Row(403, 403),
    ("GET", "/v1/receipts/{rcpt}"): Row(403, 403),
    ("POST", "/v1/receipts/{rcpt}/assign"): Row(403, 403, {"reference": "OBV-B-0", "reason": "a try"}),
    ("POST", "/v1/receipts/{rcpt}/place"): Row(403, 403, {"house_account": "fee_income", "reason": "a try"}),
    ("POST", "/v1/receipts/{rcpt}/return"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/bank_statements"): Row(403, 403),
    ("POST", "/v1/presentment_files"): Row(403, 403),
    ("GET", "/v1/presentment_files"): Row(403, 403),
    ("GET", "/v1/presentment_files/{pfile}"): Row(403, 403),
    ("POST", "/v1/presentment_files/{pfile}/resubmit"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/claim_files"): Row(404, 403),
    ("GET", "/v1/claim_files"): Row(EMPTY, 403),
    ("GET", "/v1/claim_files/{cfile}"): Row(404, 403),
    ("GET", "/v1/claim_files/{cfile}/claims"): Row(404, 403),
    ("GET", "/v1/claim_files/{cfile}/result"): Row(404, 403),
    ("GET", "/v1/merchant_claims"): Row(EMPTY, 403),
    ("GET", "/v1/merchant_claims/{claim}"): Row(404, 403),
    ("GET", "/v1/claim_exceptions"): Row(403, 403),
    ("POST", "/v1/claim_exceptions/{claim}/pay"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/claim_exceptions/{claim}/refuse"): Row(403, 403, {"reason": "a try"}),
    ("GET", "/v1/presentments"): Row(403, 403),
    ("GET", "/v1/presentments/{pres}"): Row(403, 403),
    ("POST", "/v1/presentments/{pres}/resubmit"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/presentments/{pres}/write_off"): Row(403, 403, {"reason": "a try"}),
    ("GET", "/v1/members/{mem}/card_company_charges"): Row(403, 404),
    ("POST", "/v1/reconciliation_runs"): Row(403, 403),
    ("GET", "/v1/reconciliation_runs/latest"): Row(403, 403),
    ("GET", "/v1/breaks"): Row(403, 403),
    ("POST", "/v1/breaks/{brk}/resolve"): Row(403, 403, {"reason": "a try"}),
    ("GET", "/v1/ledger/trial_balance"): Row(403, 403),
    ("POST", "/v1/simulate/advance_clock"): Row(403, 403, {"seconds": 1}),
    ("GET", "/health"): Row(PUBLIC, PUBLIC, anonymous=PUBLIC),
    ("GET", "/metrics"): Row(PUBLIC, PUBLIC, anonymous=PUBLIC),
    ("GET", "/"): Row(PUBLIC, PUBLIC, anonymous=PUBLIC),
    ("GET", "/docs"): Row(PUBLIC, PUBLIC, anonymous=PUBLIC),
    ("GET", "/docs/style.css"): Row(PUBLIC, PUBLIC, anonymous=PUBLIC),
    ("GET", "/v1/openapi"): Row(PUBLIC, PUBLIC, anonymous=PUBLIC),
}
QUERIES: Final = {
    ("GET", "/v1/payments"): "?card={card}",
    ("GET", "/v1/authorizations"): "?card={card}",
    ("GET", "/v1/funding_sources"): "?member={mem}",
    ("GET", "/v1/bills"): "?member={mem}",
    ("POST", "/v1/disputes/{dis}/documents"): "?name=proof.txt",
    ("POST", "/v1/claim_files"): "?merchant={mer}",
}
_PREFIXES: Final = {
    "payment_id": "auth",
    "card_id": "card",
    "member_id": "mem",
    "source_id": "src",
    "merchant_id": "mer",
    "key_id": "key",
    "dispute_id": "dis",
    "draw_id": "draw",
    "application_id": "app",
    "endpoint_id": "whe",
    "delivery_id": "dlv",
    "presentment_file_id": "pfile",
    "file_id": "cfile",
    "claim_id": "claim",
    "presentment_id": "pres",
    "settlement_id": "stl",
    "statement_id": "stm",
    "payout_id": "payout",
    "bill_id": "bill",
    "bank_transfer_id": "bank",
    "receipt_id": "rcpt",
    "break_id": "brk",
}


@dataclass(frozen=True)
class Victim:
    """Somebody with one of everything."""

    member: Member
    ids: dict[str, str]

    def fill(self, text: str) -> str:
        for name, id_ in self.ids.items():
            text = text.replace("{" + name + "}", id_)
        return text

    def body(self, row: Row, kind: str) -> dict[str, Any] | None:
        if row.body is None:
            return None
        filled = {k: self.fill(v) if isinstance(v, str) else v for k, v in row.body.items()}
        # In a dry run a member may name cards only, and a merchant numbers only.
        unwanted = {"merchant": "card", "member": "card_number"}.get(kind)
        return (
            filled
            if len(filled) < 5 or "birth_date" in filled
            else {k: v for k, v in filled.items() if k != unwanted}
        )


@pytest_asyncio.fixture(loop_scope="module")
async def victim(rest: RestHouse) -> Victim:
    member = await rest.member()
    card = await rest.card(member)
    face = await rest.face(member, card)
    payment = (await rest.pay(face)).json()
    key = (
        await rest.client.post(
            "/v1/api_keys", json={"name": "k", "scopes": ["payments"]}, headers=rest.operator
        )
    ).json()
    endpoint, delivery = await _webhook(rest)
    file, claim = await _claim(rest)
    return Victim(
        member,
        {
            "auth": payment["id"],
            "card": card["id"],
            "number": face["card_number"],
            "mem": member.id,
            "src": card["funding"][0]["source"],
            "mer": rest.merchant_id,
            "key": key["id"],
            "app": "app_01h455vb4pex5vsknk084sn02q",
            "whe": endpoint,
            "dlv": delivery,
            "dis": await _dispute(rest, member),
            "draw": "draw_01h455vb4pex5vsknk084sn02q",
            "cfile": file,
            "claim": claim,
            "pfile": "pfile_01h455vb4pex5vsknk084sn02q",
            "pres": "pres_01h455vb4pex5vsknk084sn02q",
            "stl": "stl_01h455vb4pex5vsknk084sn02q",
            "stm": "stm_01h455vb4pex5vsknk084sn02q",
            "bank": "bank_01h455vb4pex5vsknk084sn02r",
            "rcpt": "rcpt_01h455vb4pex5vsknk084sn02q",
            "payout": "bank_01h455vb4pex5vsknk084sn02q",
            "bill": "bill_01h455vb4pex5vsknk084sn02q",
            "brk": "brk_01h455vb4pex5vsknk084sn02q",
        },
    )


async def _dispute(rest: RestHouse, member: Member) -> str:
    """A dispute of this member's about something they bought."""
    bought = await rest.pay(await rest.face(member, await rest.card(member)), capture=True)
    complaint = COMPLAINT | {"payment": bought.json()["id"]}
    opened = await rest.client.post("/v1/disputes", json=complaint, headers=member.headers)
    id_: str = opened.json()["id"]
    return id_


async def _claim(rest: RestHouse) -> tuple[str, str]:
    """A claim file of the merchant's, and the claim in it."""
    sent = {**rest.merchant, "Content-Type": "text/csv"}
    file = (await rest.client.post("/v1/claim_files", content=a_file([a_line()]), headers=sent)).json()
    claims = await rest.client.get(f"/v1/claim_files/{file['id']}/claims", headers=rest.merchant)
    return file["id"], claims.json()["data"][0]["id"]


async def _webhook(rest: RestHouse) -> tuple[str, str]:
    """The merchant's one endpoint, and a delivery to it."""
    path = "/v1/webhook_endpoints"
    known = (await rest.client.get(path, headers=rest.merchant)).json()["data"]
    if not known:
        body = {"url": "https://shop.example/hooks"}
        known = [(await rest.client.post(path, json=body, headers=rest.merchant)).json()]
    tested = await rest.client.post(f"{path}/{known[0]['id']}/test", headers=rest.merchant)
    return known[0]["id"], tested.json()["id"]


def routes_of(rest: RestHouse) -> set[tuple[str, str]]:
    """Every route of the app with our names for its ids."""
    found = set()
    for route in rest.app.routes:
        assert isinstance(route, HTTPRoute)
        path = route.path_format
        for name, prefix in _PREFIXES.items():
            path = path.replace("{" + name + "}", "{" + prefix + "}")
        found |= {(method, path) for method in route.methods if method != "OPTIONS"}
    return {(method, path) for method, path in found if not path.startswith("/v1/openapi/")}


async def test_p12_every_route_has_a_row_here(rest: RestHouse) -> None:
    assert routes_of(rest) == set(ROWS)


async def test_p12_every_route_says_who_may_call_it(rest: RestHouse) -> None:
    for route in rest.app.routes:
        assert isinstance(route, HTTPRoute)
        for handler in route.route_handlers:
            if handler.http_methods == {"OPTIONS"}:
                continue
            callers = handler.resolve_before_request()
            assert isinstance(callers, Allow | Applicant | Holder | Everyone), str(handler)


@pytest.mark.parametrize("route", list(ROWS), ids=lambda route: " ".join(route))
async def test_p12_strangers_get_nothing(rest: RestHouse, victim: Victim, route: tuple[str, str]) -> None:
    row = ROWS[route]
    stranger = await rest.member()
    _, other_merchant = await rest.another_merchant()
    no_scopes_for_it = await rest.key(Scope.OPERATE)
    assert no_scopes_for_it
    callers = {
        "anonymous": ({}, row.anonymous),
        "merchant": (other_merchant, row.merchant),
        "member": (stranger.headers, row.member),
    }
    for kind, (headers, expected) in callers.items():
        method, path = route
        answer = await rest.client.request(
            method,
            victim.fill(path + QUERIES.get(route, "")),
            json=victim.body(row, kind),
            headers=headers,
        )
        if expected == EMPTY:
            assert answer.json()["data"] == [], kind
        elif isinstance(expected, int):
            assert answer.status_code == expected, (kind, answer.text)
            given_away = [id_ for name, id_ in victim.ids.items() if id_ in answer.text and name != "mer"]
            assert not given_away, kind
        else:
            assert answer.status_code < 400, (kind, answer.text)


FOREIGN_OR_MISSING: Final = [
    ("GET", "/v1/payments/{}", "auth", "merchant"),
    ("GET", "/v1/payments/{}", "auth", "member"),
    ("POST", "/v1/payments/{}/cancel", "auth", "merchant"),
    ("GET", "/v1/cards/{}", "card", "member"),
    ("POST", "/v1/cards/{}/reveal", "card", "member"),
    ("POST", "/v1/cards/{}/withdraw", "card", "member"),
    ("GET", "/v1/members/{}", "mem", "member"),
    ("GET", "/v1/members/{}/card_company_charges", "mem", "member"),
    ("POST", "/v1/funding_sources/{}/remove", "src", "member"),
    ("GET", "/v1/merchants/{}", "mer", "merchant"),
    ("GET", "/v1/claim_files/{}", "cfile", "merchant"),
    ("GET", "/v1/claim_files/{}/result", "cfile", "merchant"),
    ("GET", "/v1/merchant_claims/{}", "claim", "merchant"),
    ("GET", "/v1/disputes/{}", "dis", "merchant"),
    ("GET", "/v1/disputes/{}", "dis", "member"),
    ("POST", "/v1/disputes/{}/accept", "dis", "merchant"),
    ("POST", "/v1/disputes/{}/withdraw", "dis", "member"),
    ("GET", "/v1/webhook_endpoints/{}", "whe", "merchant"),
    ("GET", "/v1/webhook_endpoints/{}/deliveries", "whe", "merchant"),
]


@pytest.mark.parametrize(("method", "path", "kind", "caller"), FOREIGN_OR_MISSING)
async def test_p12_a_foreign_object_answers_like_one_that_does_not_exist(
    rest: RestHouse, victim: Victim, method: str, path: str, kind: str, caller: str
) -> None:
    _, other_merchant = await rest.another_merchant()
    headers = other_merchant if caller == "merchant" else (await rest.member()).headers
    foreign = await rest.client.request(method, path.format(victim.ids[kind]), headers=headers)
    missing = await rest.client.request(
        method, path.format(f"{kind}_01h455vb4pex5vsknk084sn02q"), headers=headers
    )

    def without_request_id(answer: Any) -> dict[str, Any]:
        return {name: value for name, value in answer.json().items() if name != "request_id"}

    assert foreign.status_code == missing.status_code == 404
    assert without_request_id(foreign) == without_request_id(missing)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic abc",
        "Bearer ob_test_sk_" + "a" * 32,
        "Bearer \xff",
        "Bearer " + "x" * 9000,
    ],
)
async def test_p12_what_is_no_token_is_not_signed_in(rest: RestHouse, header: str) -> None:
    answer = await rest.client.get("/v1/cards", headers={"Authorization": header.encode("latin-1")})

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_p12_a_platform_key_does_what_its_scopes_say_and_no_more(rest: RestHouse) -> None:
    member = await rest.member()
    tries = {
        Scope.PAYMENTS: "/v1/payments",
        Scope.CARDS: f"/v1/cards?member={member.id}",
        Scope.MEMBERS: f"/v1/members/{member.id}",
        Scope.MERCHANTS: "/v1/merchants",
        Scope.OPERATE: "/v1/events",
    }
    for held in Scope:
        key = await rest.key(held)
        for needed, path in tries.items():
            answer = await rest.client.get(path, headers=key)
            assert answer.status_code == (200 if held is needed else 403), (held, path)
