"""Presentments as rows, for the room's statements."""

from typing import Any, Final

from obverse.clearing.presentments.model import Direction, Presentment, PresentmentState
from obverse.kit.database import Table
from obverse.kit.money import CurrencyCode, Money

PRESENTMENTS: Final = Table(
    "presentments",
    {
        "id": "uuid",
        "partition_id": "smallint",
        "action_id": "uuid",
        "position": "smallint",
        "authorization_id": "uuid",
        "direction": "text",
        "amount_minor": "bigint",
        "currency": "text",
        "vault_card_id": "uuid",
        "arn": "text",
        "network_ref": "text",
        "approval_code": "text",
        "is_final": "boolean",
        "merchant_name": "text",
        "category": "text",
        "paid_at": "timestamptz",
        "state": "text",
        "created_at": "timestamptz",
    },
)

COLUMNS: Final = ", ".join([*PRESENTMENTS.columns, "file_id", "reject_reason"])

PATIENCE_S: Final = 60
"""Statements over a whole file touch up to a hundred thousand rows."""


def to_row(p: Presentment) -> tuple[object, ...]:
    return (
        p.id, p.partition_id, p.action_id, p.position, p.authorization_id, p.direction,
        p.amount.amount_minor, p.amount.currency, p.vault_card_id, p.arn, p.network_ref, p.approval_code,
        p.is_final, p.merchant_name, p.category, p.paid_at, p.state, p.created_at,
    )  # fmt: skip


def from_row(row: Any) -> Presentment:
    return Presentment(
        id=row["id"],
        partition_id=row["partition_id"],
        action_id=row["action_id"],
        position=row["position"],
        authorization_id=row["authorization_id"],
        direction=Direction(row["direction"]),
        amount=Money(row["amount_minor"], CurrencyCode(row["currency"])),
        vault_card_id=row["vault_card_id"],
        arn=row["arn"],
        network_ref=row["network_ref"],
        approval_code=row["approval_code"],
        is_final=row["is_final"],
        merchant_name=row["merchant_name"],
        category=row["category"],
        paid_at=row["paid_at"],
        state=PresentmentState(row["state"]),
        created_at=row["created_at"],
        file_id=row["file_id"],
        reject_reason=row["reject_reason"],
    )
