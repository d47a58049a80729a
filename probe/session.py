"""What every measurement of a round shares."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from probe.model import FollowUp, Http, Vantage
from probe.net.limits import AddressLimits
from probe.net.network import Network
from probe.settings import Settings


def no_follow_up(_: object) -> tuple[()]:
    """Ask for nothing more, whatever was found."""
    return ()


def follow_all(_: Http) -> bool:
    """Follow every redirect."""
    return True


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """The network and how to use it. `follows_redirect` keeps us off hosts that only a censor leads to."""

    network: Network
    settings: Settings
    vantage: Vantage
    limits: AddressLimits
    follow_up: FollowUp = no_follow_up
    follows_redirect: Callable[[Http], bool] = follow_all
    learned_addresses: set[str] = msgspec.field(default_factory=set)
    """Addresses of the volunteer that a server told of: to be removed from what is measured later, too."""
