"""What keeps rounds from measuring, or from measuring all, by its owner's wish or for the network it is on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schedules.doctor.check_result import BAD_SETUP, Finding

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.cli.app import App
    from schedules.config.schema import Config


def found(app: App, config: Config, store: Store) -> Iterator[Finding]:
    """A pause, the month's data, what is left out, whose network this is, and a tunnel before it."""
    from results.judge.traffic import month_of, spent_in
    from schedules.config.toml import ConfigError
    from schedules.plan.model import BadChoice
    from schedules.plan.selection import unmeasured
    from schedules.round.preflight import unwilling

    try:
        here = app.here(leaves_a_trace=False).locate(config)
    except ConfigError as error:
        yield Finding("asn", "wrong", str(error), BAD_SETUP)
        return
    if (why := unwilling(here, store, time.time())) is not None:
        yield Finding("rounds", "worth knowing", why)
    if config.care.cap_bytes is not None:
        month = month_of(datetime.now(UTC))
        says = f"{spent_in(store.db, month) / 1e6:.1f} of {config.care.data_cap_mb} MB in {month}"
        yield Finding("data cap", "fine", says)
    try:
        for sentence in unmeasured(here, store):
            yield Finding("campaigns", "worth knowing", sentence)
    except BadChoice:
        pass  # said where the schedule is looked at
    place, vantage = here.place("direct"), here.vantage_by("direct")
    for sentence in place.sentences:
        yield Finding("tunnel", "worth knowing", sentence)
    if vantage.asn is not None:
        yield Finding("asn", "fine", f"AS{vantage.asn}, {_WHENCE.get(place.asn_source or '', 'declared')}")


_WHENCE = {
    "mmdb": "by this machine's public address and [asn]",
    "declared": "as [vantage] declares, wherever it is",
    "echoed": "as the group's hub sees it",
}
