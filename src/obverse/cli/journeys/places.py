"""Where everything is, and who is who: what `.obverse/demo.json` says."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

Address = tuple[str, int]

_ADDRESSES: Final = ("acquirer", "clearing_house", "diameter")


@dataclass(frozen=True, slots=True)
class MerchantPlace:
    """A demo merchant; `api_key` is its own, for payments at `rest_url`."""

    id: str
    name: str
    category: str
    acquirer_id: str
    merchant_no: str
    terminals: Sequence[str]
    api_key: str
    bank_account: str = ""
    """Its account number at the sandbox bank."""


@dataclass(frozen=True, slots=True)
class LinkedCard:
    """A real card of a demo member, as it stands in the sandbox card company's book."""

    billing_account: str
    number: str
    exp_month: int
    exp_year: int
    cvv: str
    birth_date: str


@dataclass(frozen=True, slots=True)
class MemberPlace:
    """A demo member: what to sign in with, and what pays."""

    id: str
    password: str
    funding_sources: Sequence[str]
    linked_cards: Sequence[LinkedCard]


@dataclass(frozen=True, slots=True)
class Places:
    """Everything a client needs to begin. The file is its owner's alone, because it holds keys."""

    rest_url: str
    docs_url: str
    acquirer: Address
    clearing_house: Address
    diameter: Address
    mall_url: str
    control_url: str
    origin: str
    """Where the pages are served on which members use their passkeys."""
    api_key: str
    members: Sequence[MemberPlace]
    merchants: Sequence[MerchantPlace]

    def save(self, path: Path) -> None:
        """Write the file whole, readable by its owner only from its first byte on."""
        beside = path.with_suffix(".new")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(self._as_json(), file, indent=2)
        beside.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Places":
        """Read the file. Raises `OSError` where there is none, `ValueError` where it is not one of ours."""
        try:
            return cls._from_json(json.loads(path.read_text()))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a demo file.") from error

    def _as_json(self) -> Mapping[str, Any]:
        addresses = {name: getattr(self, name) for name in _ADDRESSES}
        return asdict(self) | {name: {"host": host, "port": port} for name, (host, port) in addresses.items()}

    @classmethod
    def _from_json(cls, told: Mapping[str, Any]) -> "Places":
        members = [
            MemberPlace(**{**member, "linked_cards": [LinkedCard(**card) for card in member["linked_cards"]]})
            for member in told["members"]
        ]
        merchants = [MerchantPlace(**merchant) for merchant in told["merchants"]]
        addresses = {name: (told[name]["host"], told[name]["port"]) for name in _ADDRESSES}
        return cls(**{**told, "members": members, "merchants": merchants, **addresses})
