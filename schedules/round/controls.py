"""What serves as a control: the configured paths, the group's hubs, and what other vantages recorded not long ago."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from probe.control import ControlSource, by_path
from probe.model import Measurement, Vantage
from probe.net.path import BadPath
from probe.session import Session
from results.db.stored_controls import recorded_elsewhere

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import Config


def sources(config: Config, store: Store, measured_by: str) -> tuple[ControlSource, ...]:
    """Where controls come from. A path that is not there now is none, and one is no control of itself."""
    paths = (path for path in config.control.all_paths if path != measured_by)
    return (
        *(by_path(session) for path in paths if (session := control_session(config, path))),
        *_hubs(config, store),
        _recorded(config, store),
    )


def _hubs(config: Config, store: Store) -> tuple[ControlSource, ...]:
    """The configured hubs where this vantage is enrolled, as one source: each where those before it do not answer."""
    if not config.control.all_hubs:
        return ()
    from results.db.upload_queue import hubs
    from schedules.hub_client.client import control_source

    enrolled = {hub.url: hub.token for hub in hubs(store.db)}
    known = [(url, enrolled[url]) for url in config.control.all_hubs if url in enrolled]
    return (control_source(config, known),) if known else ()


def control_session(config: Config, path: str) -> Session | None:
    """A control's own vantage is called as its path, and stands where the path leaves, as far as that is known."""
    from schedules.round.session import session_of

    try:
        session = session_of(config, path)
    except BadPath:
        return None
    table = next((table for table in config.path if table.name == path), None)
    elsewhere = Vantage(
        name=path,
        country=table.country if table else None,
        asn=table.asn if table else None,
        network_name=table.network_name if table else None,
        path=path,
    )
    return msgspec.structs.replace(session, vantage=elsewhere)


def _recorded(config: Config, store: Store) -> ControlSource:
    async def source(measurement: Measurement) -> Sequence[Measurement]:
        return recorded_elsewhere(
            store.db, measurement, vantages=config.control.vantages, within_s=config.control.within_s
        )

    return source
