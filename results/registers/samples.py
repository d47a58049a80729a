"""Samples that were drawn are kept: what was measured can be told, and drawn again, from the seed beside it.

A sample holds for a day (UTC), so that rounds measure the same hosts and a register is not read through for each.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from results.registers.sampling import Sample, sample

if TYPE_CHECKING:
    from sqlite_utils import Database

_FIND = """SELECT as_of, left_out, strata, targets FROM register_samples
    WHERE register = ? AND size = ? AND seed = ? AND include = ? AND drawn_at / 86400 = ?
    ORDER BY drawn_at DESC LIMIT 1"""


def drawn(
    db: Database,
    register: str,
    *,
    size: int,
    seed: int,
    now: datetime,
    include: Collection[str] = (),
    leave_out: Collection[str] = (),
) -> Sample:
    """The sample of this day: as it was drawn, else drawn now and kept. Raises RegisterError as `sample` does."""
    moment, named = int(now.timestamp()), "\n".join([*sorted(include), *(f"not {one}" for one in sorted(leave_out))])
    found = db.conn.execute(_FIND, (register, size, seed, named, moment // 86400)).fetchone()
    if found is not None:
        as_of, left_out, strata, targets = found
        return Sample(
            register=register,
            as_of=as_of,
            seed=seed,
            targets=tuple(targets.split("\n")) if targets else (),
            strata=msgspec.json.decode(strata, type=dict[str, tuple[int, int]]),
            left_out=left_out,
        )
    new = sample(db, register, size=size, seed=seed, at=now, include=include, leave_out=leave_out)
    strata = msgspec.json.encode(new.strata).decode()
    db.execute(
        "INSERT OR REPLACE INTO register_samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (register, size, seed, named, new.as_of, moment, new.left_out, strata, "\n".join(new.targets)),
    )
    return new
