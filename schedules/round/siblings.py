"""What the targets of one round got at each address, for those that fail at an address which others used too."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from probe.model import Measurement, Observation
from results.judge.failure_point import BEGINS, INTERFERED, TIMEOUT, ending, method_of
from results.judge.signals.address import WEB_PORTS
from results.judge.verdict import ConnectLosses, SiblingContact

MAX_REMEMBERED = 16
"""Contacts of one address that got through, and as many that did not; a large host has thousands."""
MAX_SHOWN = 4
"""Of each of these, the contacts that a context keeps."""
Remembered = deque[tuple[str, SiblingContact]]
"""Measurement id and contact, latest last."""


class Siblings:
    """The contacts of a round's measurements, by address; of each port that is not the web's, one that got through."""

    def __init__(self) -> None:
        self._passed: dict[str, Remembered] = {}
        self._failed: dict[str, Remembered] = {}
        self._ports: dict[int, tuple[str, SiblingContact]] = {}

    def add(self, measurement: Measurement) -> None:
        """Remember where each of a measurement's attempts ended."""
        last = {(o.address, o.port, o.role): o for o in measurement.observations if o.port and o.step != "dns"}
        for (address, port, _), o in last.items():
            if address is None or port is None or (contact := _contact(o, address, port)) is None:
                continue
            remembered = self._passed if contact.method is None else self._failed
            if address not in remembered:
                remembered[address] = deque(maxlen=MAX_REMEMBERED)
            remembered[address].append((measurement.id, contact))
            if port not in WEB_PORTS:
                self._ports[port] = (measurement.id, contact)

    def of(self, measurement: Measurement) -> tuple[SiblingContact, ...]:
        """What the round's other measurements got at the address where this one failed, the earliest first."""
        end = ending(measurement.target, measurement.observations)
        failed = end.observation
        if end.complete or failed is None or failed.address is None:
            return ()
        at_port = self._ports.get(failed.port or 0)
        passed = [*self._passed.get(failed.address, ()), *([at_port] if at_port is not None else [])]
        others = self._failed.get(failed.address, ())
        found = {
            contact: None
            for some in (passed, others)
            for contact in [contact for name, contact in some if name != measurement.id][-MAX_SHOWN:]
        }
        return tuple(sorted(found, key=lambda contact: contact.at))


class LossTally:
    """For each address, the connects up to the first that passed. What is cut off there later is another matter."""

    def __init__(self) -> None:
        self._silent: dict[str, int] = {}
        self._passed: set[str] = set()
        self._cut: set[str] = set()

    def add(self, measurements: Iterable[Measurement]) -> None:
        """Count what a measurement's connects came to; most pass, which costs no call of ours."""
        for measurement in measurements:
            for o in measurement.observations:
                if o.address is None:
                    continue
                if o.failure is None:
                    if o.step in BEGINS:
                        self._passed.add(o.address)
                elif o.step not in BEGINS:
                    if method_of(o) in INTERFERED:
                        self._cut.add(o.address)
                elif o.failure == TIMEOUT and o.address not in self._passed:
                    self._silent[o.address] = self._silent.get(o.address, 0) + 1

    def of(self, measurement: Measurement | None = None) -> ConnectLosses | None:
        """The tally of all addresses but the one where this measurement failed; None where nothing was lost."""
        if not self._silent:
            return None
        end = ending(measurement.target, measurement.observations).observation if measurement is not None else None
        own = end.address if end is not None else None
        lost = sum(n for a, n in self._silent.items() if a in self._passed and a not in self._cut and a != own)
        passed = len(self._passed) - len(self._passed & self._cut) - (own in self._passed and own not in self._cut)
        return ConnectLosses(lost=lost, passed=passed) if lost else None


def _contact(o: Observation, address: str, port: int) -> SiblingContact | None:
    """The contact that an attempt ended in; None where it says nothing to others, as a connect that failed."""
    method = method_of(o) if o.failure is not None else None
    if o.failure is not None and (method is None or o.step == "tcp"):
        return None
    return SiblingContact(at=o.started_at, host=o.host, address=address, port=port, step=o.step, method=method)
