"""The session in which a path's targets are measured, and the sources of its control measurements."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from probe.allow_list import domestic_sites
from probe.measure import ControlSource, by_path
from probe.model import Measurement, Vantage
from probe.net.concurrency import AddressLimits
from probe.net.network import RealNetwork
from probe.net.path import BadPath
from probe.session import Session, Settings
from results.db.read import recorded_elsewhere
from results.db.store import Store
from results.judge.control_steps import at_failed_addresses
from results.judge.follow_up import FollowUpSettings, follow_up, may_follow, pause_for, waits_for
from schedules.config.schema import Config
from schedules.location.location import usable


def session_of(config: Config, path: str) -> Session:
    """The real network via one path, with the follow-up steps that the rules need. BadPath if it is not available."""
    vantage = config.vantage_by(path)
    presets = () if config.network.domestic_canaries else domestic_sites(vantage.country)
    settings = msgspec.structs.replace(config.settings(), domestic_presets=presets)
    usable(config, path)
    return Session(
        network=RealNetwork(config.path_named(path)),
        settings=settings,
        vantage=vantage,
        limits=AddressLimits(settings.per_address),
        follow_up=follow_up(_follow_up_settings(config, settings)),
        follows_redirect=may_follow,
    )


def adapted(session: Session, config: Config, listed_name: str | None, connects: int = 2) -> Session:
    """The same session, in which a silent connect is tried so often, and a name tested that the network permits."""
    usual = _follow_up_settings(config, session.settings)
    settings = msgspec.structs.replace(usual, connects=connects, listed_name=listed_name)
    return msgspec.structs.replace(session, follow_up=follow_up(settings))


def _follow_up_settings(config: Config, settings: Settings) -> FollowUpSettings:
    return FollowUpSettings(
        innocent_name=config.network.innocent_name,
        ab_endpoint=config.ab_endpoint,
        trusted=bool(settings.trusted_resolvers),
        system="system" in settings.resolvers,
        quic=config.network.quic,
        waits=waits_for(settings.timeout_s),
        pause_s=pause_for(settings.timeout_s),
    )


def control_sources(config: Config, store: Store, measured_by: str) -> tuple[ControlSource, ...]:
    """The control paths that are available except `measured_by`, the hubs, and what other vantages recorded."""
    paths = (path for path in config.control.all_paths if path != measured_by)
    return (
        *(by_path(session, at_failed_addresses) for path in paths if (session := control_session(config, path))),
        *_hubs(config, store),
        _recorded(config, store),
    )


def _hubs(config: Config, store: Store) -> tuple[ControlSource, ...]:
    """The configured hubs where this vantage is enrolled, as one source that asks them in turn."""
    if not config.control.all_hubs:
        return ()
    from results.db.upload_queue import hubs
    from schedules.hub_client.client import control_source

    enrolled = {hub.url: hub.token for hub in hubs(store.db)}
    known = [(url, enrolled[url]) for url in config.control.all_hubs if url in enrolled]
    return (control_source(config, known),) if known else ()


def control_session(config: Config, path: str) -> Session | None:
    """A session via a control path, whose vantage is named after the path; None if it is not available."""
    try:
        session = session_of(config, path)
    except BadPath:
        return None
    way = config.path_table(path)
    elsewhere = Vantage(name=path, country=way.country, asn=way.asn, network_name=way.network_name, path=path)
    return msgspec.structs.replace(session, vantage=elsewhere)


def _recorded(config: Config, store: Store) -> ControlSource:
    async def source(measurement: Measurement) -> Sequence[Measurement]:
        return recorded_elsewhere(
            store.db, measurement, vantages=config.control.vantages, within_s=config.control.within_s
        )

    return source
