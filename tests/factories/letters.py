"""Letters for tests: one of every template, and what a courier makes of it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from obverse.kit.ids import LetterId
from obverse.kit.secret import Sealed, Secret
from obverse.letters import Channel, Language, Letter, Renderer
from obverse.letters.model import Contents, Due, Written

NOW = datetime(2026, 11, 20, 7, 30, tzinfo=UTC)
RENDERER = Renderer(public_url="https://pay.example", time_zone="Asia/Seoul")

_CARD = "941012******7893"


def won(amount_minor: int) -> dict[str, Any]:
    return {"amount_minor": amount_minor, "currency": "KRW"}


SAMPLES: Mapping[str, Mapping[str, Any]] = {
    "gift": {
        "from_name": "김하늘",
        "name": "이바다",
        "message": "생일 축하해!\n맛있는 거 사 먹어.",
        "design": "봄의 정원",
        "amount": won(30_000),
        "link": "/gifts/3yR0wq",
        "expires_at": "2027-05-31T15:00:00Z",
    },
    "automatic_charge_paused": {"card": "여행 ···· 3456", "link": "/cards/card_01j"},
    "order_cards": {
        "order": "OBV-O-7K2M",
        "cards": [{"number": _CARD, "amount": won(5_000)}, {"number": _CARD, "amount": won(10_000)}],
        "total": won(15_000),
        "link": "/orders/3yR0wq",
    },
    "order_received": {
        "order": "ord_01h455vb4pex5vsknk084sn02q",
        "total": won(35_000),
        "reference": "OBV-O-0123456788",
        "pay_by": "2026-12-04T07:30:00Z",
        "account": {"bank_code": "090", "number": "100200300400", "holder": "Obverse"},
        "link": "/orders#3yR0wq",
    },
    "gift_undelivered": {
        "order": "ord_01h455vb4pex5vsknk084sn02q",
        "pieces": [3, 17],
        "link": "/orders#3yR0wq",
    },
    "code_tried": {
        "merchant": "동네책방",
        "card": _CARD,
        "at": "2026-11-20T05:12:00Z",
        "link": "/cards",
    },
    "receipt": {
        "merchant": "동네책방",
        "amount": won(12_000),
        "card": _CARD,
        "at": "2026-11-20T05:12:00Z",
        "approval_code": "A1B2C3",
        "balance": won(18_000),
        "points": [["Sky Miles", "8,000 miles"]],
        "link": "/cards",
    },
    "payment_undone": {
        "how": "refunded",
        "merchant": "동네책방",
        "amount": won(12_000),
        "card": _CARD,
        "at": "2026-11-20T05:12:00Z",
        "link": "/cards",
    },
    "statement": {
        "day": "2026-11-19",
        "count": 5,
        "more": 2,
        "link": "/history",
        "rows": [
            {
                "at": "2026-11-19T01:05:00Z",
                "merchant": "동네책방",
                "amount": won(-12_000),
                "balance": won(18_000),
            },
            {"at": "2026-11-19T03:40:00Z", "merchant": "Cafe Ondo", "amount": won(-4_500), "balance": None},
            {"at": "2026-11-19T09:00:00Z", "merchant": "충전", "amount": won(50_000), "balance": won(63_500)},
        ],
        "spent": won(16_500),
        "received": won(50_000),
    },
    "card_issued": {"programme": "Obverse Wallet", "name": "커피", "card": _CARD, "link": "/cards"},
    "expiry_notice": {
        "card": _CARD,
        "amount": won(3_200),
        "expires_at": "2026-12-31T15:00:00Z",
        "link": "/cards",
    },
    "charged": {
        "card": _CARD,
        "amount": won(50_000),
        "balance": won(63_500),
        "at": "2026-11-20T05:12:00Z",
        "expires_at": "2031-11-30T15:00:00Z",
    },
    "refund_done": {
        "card": _CARD,
        "amount": won(18_000),
        "destination": "090 ******0400",
        "at": "2026-11-20T05:12:00Z",
    },
    "recovery": {"link": "/recover#ob_rec_3yR0wq", "minutes": 30},
    "confirm_mail": {"code": "012345", "minutes": 15},
    "confirm_mobile": {"code": "012345", "minutes": 15},
    "password_changed": {},
    "payment_codes_made": {
        "card": "여행 ···· 3456",
        "device": "내 휴대폰",
        "count": 50,
        "at": "2026-11-20T05:12:00Z",
        "is_last": True,
    },
    "contact_changed": {"kind": "mail"},
}
"""What each template is filled with. A new template gets its line here, and is read in both languages."""


def a_letter(number: int = 1, **changes: Any) -> Letter:
    """A letter to post; `number` makes it another one."""
    given: dict[str, Any] = {
        "id": LetterId(UUID(int=(7 << 76) + (2 << 62) + number)),
        "channel": Channel.MAIL,
        "to": Secret(f"person{number}@mail.example"),
        "template": "gift",
        "language": Language.ENGLISH,
        "data": SAMPLES["gift"],
        "subject_id": UUID(int=number),
    }
    return Letter(**(given | changes))


def written(
    template: str,
    language: Language = Language.ENGLISH,
    data: Mapping[str, Any] | None = None,
    *,
    channel: Channel = Channel.MAIL,
    renderer: Renderer = RENDERER,
    **changes: Any,
) -> Written:
    """A letter as its reader gets it; `changes` are to its data."""
    due = Due(
        id=LetterId(UUID("01890a5d-ac96-774b-bcce-b302099a8057")),
        channel=channel,
        template=template,
        language=language,
        subject_id=UUID(int=1),
        attempts=1,
        sealed=Sealed(1, b""),
        created_at=NOW,
    )
    given = {**(data if data is not None else SAMPLES[template]), **changes}
    contents = Contents("person@mail.example", msgspec.json.decode(msgspec.json.encode(given)))
    return renderer.write(due, contents)
