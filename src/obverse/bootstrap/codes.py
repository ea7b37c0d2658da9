"""Payment codes, joined: the phones of members, and the codes that are made for them."""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from obverse.bootstrap.money import Foundation
from obverse.codes import CodeBatches, CodeTerms, Devices, sweep
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.jobs import Chore

_SWEEP_EVERY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CodeRooms:
    """Phones, and the codes on them."""

    devices: Devices
    batches: CodeBatches


def join_code_rooms(base: Foundation) -> CodeRooms:
    """Make each and hand it what it needs of the others."""
    settings, clock, new_id = base.settings, base.clock, base.new_id
    return CodeRooms(
        devices=Devices(base.database, base.members, clock=clock, new_id=new_id),
        batches=CodeBatches(
            base.database,
            base.vault,
            base.members,
            base.balances,
            base.letters,
            clock=clock,
            new_id=new_id,
            random_bytes=os.urandom,
            bin_=settings.bin,
            partitions=base.partitions,
            calendar=base.calendar,
            terms=CodeTerms(
                interval=timedelta(seconds=settings.code_interval_s),
                batch_max=settings.code_batch_max,
                notices_a_day=settings.code_notices_a_day,
            ),
        ),
    )


def code_chore(database: Database, clock: Clock) -> Chore:
    """What is forgotten by itself."""
    return Chore("sweep payment codes", _SWEEP_EVERY, lambda: sweep(database, clock))
