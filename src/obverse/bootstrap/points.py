"""The points relay, joined: issuers and their rates, members' accounts, look-ups."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from obverse.bootstrap.money import Foundation
from obverse.doors.rest.services import PointsRelay
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId
from obverse.kit.jobs import Chore
from obverse.kit.money import CurrencyCode
from obverse.kit.settings import Settings
from obverse.networks.points_issuer import PointsIssuerClient
from obverse.points import Courier, Directory, IssuerRates, Issuers, Links, Lookups, MessageLog, Quotes
from obverse.vault import Vault

_SWEEP_LINKS_EVERY: Final = timedelta(minutes=1)
_SWEEP_QUOTES_EVERY: Final = timedelta(minutes=1)
_WATCH_ISSUERS_EVERY: Final = timedelta(minutes=1)
_FORGET_MESSAGES_EVERY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PointsRooms:
    """What operators, members and issuers ask of the points room."""

    issuers: Issuers
    rates: IssuerRates
    links: Links
    lookups: Lookups
    quotes: Quotes
    messages: MessageLog
    courier: Courier
    directory: Directory
    line: PointsIssuerClient


def points_client(settings: Settings, database: Database, vault: Vault, new_id: NewId) -> PointsIssuerClient:
    """The line to the issuers, for the engine and the rooms below; to be closed in the end."""
    return PointsIssuerClient(
        Directory(database),
        vault,
        now=Clock().now,
        new_id=new_id,
        timeout_s=settings.points_timeout_ms / 1000,
    )


def join_points_rooms(base: Foundation, client: PointsIssuerClient, news: asyncio.Event) -> PointsRooms:
    """Make each and hand it what it needs of the others; `client` is the line to the issuers.

    The engine sets `news` when it has left something that issuers have to be told.
    """
    settings, database, vault, clock, new_id = (
        base.settings, base.database, base.vault, base.clock, base.new_id,
    )  # fmt: skip
    return PointsRooms(
        issuers=Issuers(
            database,
            vault,
            clock=clock,
            new_id=new_id,
            random_bytes=os.urandom,
            partitions=base.partitions,
            currency=CurrencyCode(settings.currency),
            https_only=settings.live,
        ),
        rates=IssuerRates(database, clock=clock, new_id=new_id),
        links=Links(database, base.members, base.cards, vault, client, clock=clock, new_id=new_id),
        lookups=Lookups(
            database,
            vault,
            clock=clock,
            new_id=new_id,
            per_minute_max=settings.points_lookups_per_minute,
        ),
        quotes=Quotes(
            database,
            client,
            clock=clock,
            random_bytes=os.urandom,
            lifetime=timedelta(seconds=settings.points_quote_s),
        ),
        messages=MessageLog(database),
        directory=Directory(database),
        line=client,
        courier=Courier(database, client, base.engine.legs_cancelled, clock=clock, new_id=new_id, news=news),
    )


def relay_of(rooms: PointsRooms) -> PointsRelay:
    """As much of them as the REST door opens onto."""
    return PointsRelay(
        rooms.issuers,
        rooms.rates,
        rooms.links,
        rooms.lookups,
        rooms.quotes,
        rooms.messages,
        rooms.line,
    )


def points_chores(rooms: PointsRooms) -> Sequence[Chore]:
    """What happens to points by itself, again and again."""
    return [
        Chore("end points links", _SWEEP_LINKS_EVERY, rooms.links.sweep),
        Chore("sweep points quotes", _SWEEP_QUOTES_EVERY, rooms.quotes.sweep),
        Chore("watch points issuers", _WATCH_ISSUERS_EVERY, rooms.courier.watch),
        Chore("forget points messages", _FORGET_MESSAGES_EVERY, rooms.courier.forget),
    ]
