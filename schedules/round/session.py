"""The session in which a path's targets are measured, made from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probe.net.network import RealNetwork
from probe.net.per_address import AddressLimits
from probe.session import Session
from results.judge.follow_up import FollowUpSettings, follow_up, may_follow, waits_for
from schedules.location.location import usable

if TYPE_CHECKING:
    from schedules.config.schema import Config


def session_of(config: Config, path: str) -> Session:
    """The real network by one path, with the follow-ups that the rules ask for. BadPath where there is no such way."""
    settings = config.settings()
    usable(config, path)
    way = config.path_named(path)
    return Session(
        network=RealNetwork(way),
        settings=settings,
        vantage=config.vantage_by(path),
        limits=AddressLimits(settings.per_address),
        follow_up=follow_up(
            FollowUpSettings(
                innocent_name=config.network.innocent_name,
                ab_endpoint=config.ab_endpoint,
                trusted=bool(settings.trusted_resolvers),
                system="system" in settings.resolvers,
                quic=config.network.quic,
                waits=waits_for(settings.timeout_s),
            )
        ),
        follows_redirect=may_follow,
    )
