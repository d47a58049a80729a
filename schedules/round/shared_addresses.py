"""Addresses that many unrelated names of one round were said to be at: a stub page's, or a large host's."""

from __future__ import annotations

from probe.model import Dns, Measurement

MANY = 4


class SharedAddresses:
    """What the round has seen so far, from the vantage's own resolvers."""

    def __init__(self) -> None:
        self._sites: dict[str, set[str]] = {}

    def add(self, measurement: Measurement) -> None:
        for address, host in _answers(measurement):
            self._sites.setdefault(address, set()).add(_site(host))

    def among(self, measurement: Measurement) -> tuple[str, ...]:
        """Those of the measurement's addresses that at least MANY unrelated names share."""
        own = dict.fromkeys(address for address, _ in _answers(measurement))
        return tuple(address for address in own if len(self._sites.get(address, ())) >= MANY)


def _answers(measurement: Measurement) -> list[tuple[str, str]]:
    return [
        (address, observation.host)
        for observation in measurement.observations
        if observation.role == "main" and isinstance(observation.detail, Dns)
        for address in observation.detail.addresses
    ]


def _site(host: str) -> str:
    """The last two labels: names below one of these are related often enough."""
    return ".".join(host.split(".")[-2:])
