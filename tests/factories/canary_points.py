"""Points and payment codes for the search for secrets (P11): used as they are meant to be, used wrongly, and
used while things break. What is secret about them is returned, to be searched for everywhere.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
from tests.factories.callers import AcquirerLine
from tests.factories.codes import a_key, jwk_of, opened
from tests.factories.iso8583 import with_pin
from tests.factories.overheard import Caller
from tests.factories.scripted_issuer import Lie, ScriptedIssuer

from obverse.cards import CardFace
from obverse.kit.ids import to_text
from obverse.kit.secret import Secret
from obverse.sandbox.phone.emv import payload

ACCOUNT: Final = "CANARY-7700-5531-9920"
UNKNOWN_ACCOUNT: Final = "CANARY-4411-0078-6302"
HANDLE: Final = "acc_canary_on_the_wing_73"
LINK_CODE: Final = "Kanari7Zt4Qx"
WRONG_LINK_CODE: Final = "Pirol8Vn2Rwk"
PIN: Final = "640851"


@dataclass
class PointsSecrets:
    """`nowhere` must not be found in anything kept or said; `told_once` was told to whoever it is for."""

    nowhere: dict[str, str] = field(default_factory=dict)
    told_once: dict[str, str] = field(default_factory=dict)


async def use_points_and_codes(
    caller: Caller, session: str, real: dict[str, Any], password: str, issuer: ScriptedIssuer
) -> PointsSecrets:
    """`real` are the details of the member's real card, as a form has them."""
    accounts = {"account": ACCOUNT, "unknown account": UNKNOWN_ACCOUNT}
    told = {name: text.replace("-", "") for name, text in accounts.items()}
    found = PointsSecrets(
        accounts
        | {f"{name} as it is kept": text for name, text in told.items()}
        | {"link code": LINK_CODE, "wrong link code": WRONG_LINK_CODE, "handle": HANDLE}
    )
    issuer_id = await _join(caller, issuer, found)
    card = (await caller.rest("POST", "/v1/registered_cards", {"card": real}, session, status=201)).body["id"]
    await _link(caller, session, issuer, issuer_id, card)
    await _pay_with_points(caller, real, issuer, found.told_once["issuer's key"])
    await _pay_with_codes(caller, session, password, card, found)
    return found


async def _join(caller: Caller, issuer: ScriptedIssuer, found: PointsSecrets) -> str:
    terms = {"name": "Canary Points", "short_name": "CANARY", "unit": "seeds", "url": issuer.url}
    form = terms | {"two_phase": True, "reason": "to try"}
    made = await caller.untold("POST", "/v1/points_issuers", form, caller.operator, 201)
    issuer_id: str = made["id"]
    rate = {"issuer": issuer_id, "numerator": 2, "denominator": 1, "reason": "to try"}
    await caller.rest("POST", "/v1/points_rates", rate, status=201)
    shop = f"/v1/merchants/{to_text('mer', caller.estate.shop.id)}"
    takes = {"accepts_points": [issuer_id], "accepts": ["one_time", "prepaid", "registered"]}
    await caller.rest("PATCH", shop, takes | {"reason": "to try"}, status=200)
    wanted = {"name": "theirs", "scopes": ["points"], "points_issuer": issuer_id}
    key = await caller.untold("POST", "/v1/api_keys", wanted, caller.operator, 201)
    path = f"/v1/points_issuers/{issuer_id}/rotate_secret"
    newer = await caller.untold("POST", path, {"reason": "to try"}, caller.operator, 200)
    issuer.secret = Secret(newer["secret"])
    found.told_once |= {"issuer's secret": made["secret"], "issuer's newer secret": newer["secret"]}
    found.told_once |= {"issuer's key": key["token"]}
    return issuer_id


async def _link(caller: Caller, session: str, issuer: ScriptedIssuer, issuer_id: str, card: str) -> None:
    path, form = "/v1/points_accounts", {"issuer": issuer_id, "account": ACCOUNT, "card": card}
    issuer.links["/links"] = (404, {})
    await caller.rest("POST", path, form | {"account": UNKNOWN_ACCOUNT}, session, status=422)
    issuer.lie = Lie.GARBAGE
    await caller.rest("POST", path, form, session, status=503)
    issuer.lie = None
    for wrong in ({"account": ACCOUNT + "?"}, {"account": [ACCOUNT]}, {"issuer": ACCOUNT}, {"card": ACCOUNT}):
        assert (await caller.rest("POST", path, form | wrong, session)).status in (400, 404)
    await caller.rest("POST", path, form | {ACCOUNT: 1}, session, status=400)
    await caller.rest("GET", f"{path}/{ACCOUNT}", None, session, status=404)
    issuer.links["/links"] = (201, {"link": "lnk_1"})
    source = (await caller.rest("POST", path, form, session, status=201)).body["id"]
    prove, proof = f"{path}/{source}/prove", "/links/lnk_1/proof"
    issuer.links[proof] = (422, {})
    await caller.rest("POST", prove, {"code": WRONG_LINK_CODE}, session, status=422)
    await caller.rest("POST", prove, {"code": LINK_CODE + "!"}, session, status=400)
    issuer.links[proof] = (200, {"account": HANDLE})
    issuer.lie = Lie.HALF
    await caller.rest("POST", prove, {"code": LINK_CODE}, session, status=503)
    issuer.lie = None
    await caller.rest("POST", prove, {"code": LINK_CODE}, session, status=200)


async def _pay_with_points(caller: Caller, real: dict[str, Any], issuer: ScriptedIssuer, key: str) -> None:
    shop, issuer.balances[HANDLE] = caller.estate.token, 50_000
    shown = {name: real[name] for name in ("card_number", "exp_month", "exp_year")}
    asked = shown | {"currency": "KRW", "entry": "swipe", "amount": 1_000}
    path, picked = "/v1/payments", {"tender": [{"number": 1, "amount": 400}]}
    balances = (await caller.rest("POST", "/v1/points_balances", asked, shop, status=201)).body
    assert [row["units"] for row in balances["data"]] == [50_000]
    quoted = asked | picked | {"quote": balances["quote"], "capture": True}
    paid = (await caller.rest("POST", path, quoted, shop, status=201)).body
    assert paid["status"] == "approved", paid
    await caller.rest("POST", f"{path}/{paid['id']}/refund", {"amount": 700}, shop, status=200)
    for lie in (Lie.APPLIES_THEN_DROPS, Lie.OTHERS):
        issuer.lie = lie
        assert (await caller.rest("POST", path, asked | picked, shop)).body["status"] == "declined"
    issuer.lie = None
    look_up = {"card_number": real["card_number"]}
    known = await caller.untold("POST", "/v1/points_lookups", look_up, key, 200)
    assert [account["account"] for account in known["accounts"]] == [HANDLE]
    await caller.rest("POST", "/v1/points_lookups", {"card_number": HANDLE}, key, status=400)
    await caller.rest("POST", "/v1/points_lookups", look_up, shop, status=403)
    face = CardFace(Secret(real["card_number"]), _yymm(real), Secret("000"))
    line = await AcquirerLine.open(caller.platform.acquirer_port)
    inquiry = caller.estate.purchase(face, DE3="310000", DE4="0" * 12, DE22="021", DE48=None)
    assert (await line.ask(with_pin(inquiry, PIN)))["39"] == "00"
    await _without(caller, "points_accounts", asked | picked)
    line.close()


async def _pay_with_codes(
    caller: Caller, session: str, password: str, card: str, found: PointsSecrets
) -> None:
    shop, key = caller.estate.token, a_key()
    form = {"name": "phone", "public_key": jwk_of(key), "current_password": password}
    device = (await caller.rest("POST", "/v1/devices", form, session, status=201)).body["id"]
    codes = []
    for _ in range(4):
        path, wish = f"/v1/devices/{device}/code_batches", {"card": card, "count": 2}
        made = (await caller.rest("POST", path, wish, session, status=201)).body
        codes += [each["code"] for each in opened(made["sealed"], key)["codes"]]
    found.nowhere |= {f"payment code {at}": code for at, code in enumerate(codes)}
    first, later, second, _, third, _, fourth, _ = codes
    pay = {"code": first, "amount": 1_000, "currency": "KRW"}
    await caller.rest("POST", "/v1/points_balances", pay, shop, status=201)
    await caller.rest("POST", "/v1/code_challenges", pay, shop, status=200)
    told = [(await caller.rest("POST", "/v1/payments", pay, shop)).body["status"] for _ in range(2)]
    assert told == ["approved", "declined"]
    as_qr = pay | {"code": payload(second)}
    assert (await caller.rest("POST", "/v1/payments", as_qr, shop)).body["status"] == "approved"
    for changes in ({"code": later}, {"code": second, "pin": PIN}, {"code": third, "pin": PIN}):
        assert (await caller.rest("POST", "/v1/payments", pay | changes, shop)).body["status"] == "declined"
    for wrong in (
        {"code": int(first)},
        {"code": first + "x"},
        {"code": first[:-1]},
        {"currency": first},
        {"merchant": first},
        {"quote": first},
        {"tender": [{"source": first}]},
        {"passkey": {"credential": {"id": first}}},
        {first: 1},
        {"card_number": first},
    ):
        answer = await caller.rest("POST", "/v1/payments", pay | wrong, shop)
        assert 400 <= answer.status < 500
    await caller.rest("POST", f"/v1/devices/{fourth}/remove", None, session, status=404)
    line = await AcquirerLine.open(caller.platform.acquirer_port)
    scanned = {"DE22": "031", "DE14": None, "DE48": None}
    for code, answer in ((fourth, "00"), (fourth, "14"), (later, "14")):
        face = CardFace(Secret(code), "", Secret("000"))
        assert (await line.ask(caller.estate.purchase(face, **scanned)))["39"] == answer
    line.close()
    await _without(caller, "payment_codes", pay | {"code": third})


async def _without(caller: Caller, table: str, payment: dict[str, Any]) -> None:
    """A table is gone, and a payment breaks down in the middle."""
    conn = await asyncpg.connect(caller.estate.database_url)
    await conn.execute(f"alter table {table} rename to elsewhere")
    answer = await caller.rest("POST", "/v1/payments", payment, caller.estate.token)
    assert answer.status == 500
    await conn.execute(f"alter table elsewhere rename to {table}")
    await conn.close()


def _yymm(real: dict[str, Any]) -> str:
    return f"{real['exp_year'] % 100:02d}{real['exp_month']:02d}"
