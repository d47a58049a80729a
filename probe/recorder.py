"""Gathers the observations of one measurement, each timed with the monotonic clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from probe.failure import failure_of
from probe.model import Observation, Role
from probe.steps import StepSpec
from probe.timestamps import rfc3339

if TYPE_CHECKING:
    from probe.net.network import Network


class StepContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a step is about: the part of the envelope that is known before it begins."""

    role: Role
    hop: int
    host: str
    address: str | None = None
    port: int | None = None


class Closable(Protocol):
    """Something held open between two steps."""

    def close(self) -> None: ...


K = TypeVar("K", bound=Closable)


class Log:
    """The observations of one measurement so far, in the order in which they ended."""

    def __init__(self, measurement_id: str, network: Network) -> None:
        self.measurement_id = measurement_id
        self.network = network
        self.observations: list[Observation] = []
        self.started_at = rfc3339(network.now())
        self._zero = network.monotonic()
        self._begun = 0
        self._under_way: list[StepSpec] = []
        self._changed = 0.0
        self._held: list[Closable] = []
        self.own_addresses: set[str] = set()
        """Addresses of the volunteer that answers contained: to be removed from the whole measurement."""

    def elapsed(self) -> float:
        """Seconds since the measurement began."""
        return self.network.monotonic() - self._zero

    def quiet(self) -> tuple[bool, float]:
        """Whether every step under way waits for one small packet, and seconds since a step began or ended."""
        return all(step.one_packet for step in self._under_way), self.elapsed() - self._changed

    def hold(self, held: Closable) -> None:
        """Keep something open for a later step; `close` closes what no step took."""
        self._held.append(held)

    def take_held(self, kind: type[K]) -> list[K]:
        """The held objects of one kind, which the caller now owns."""
        taken = [held for held in self._held if isinstance(held, kind)]
        self._held = [held for held in self._held if not isinstance(held, kind)]
        return taken

    def holds(self, kind: type[K]) -> int:
        """How many objects of one kind are held."""
        return sum(isinstance(held, kind) for held in self._held)

    def close(self) -> None:
        """Close what is still held."""
        for held in self._held:
            held.close()
        self._held = []

    def begin(self, step: StepSpec, about: StepContext) -> Pending:
        """Start the clock of one step."""
        self._begun += 1
        return Pending(self, f"{self.measurement_id}.{self._begun}", step, about)


class Pending:
    """A step under way."""

    def __init__(self, log: Log, identifier: str, step: StepSpec, about: StepContext) -> None:
        self._log, self._id, self._step, self._about = log, identifier, step, about
        self._started_at = rfc3339(log.network.now())
        self._offset = log._changed = log.elapsed()
        log._under_way.append(step)

    def end(self, detail: Any, error: BaseException | None = None, *, code: int | None = None) -> Observation:
        """Stop the clock and record the observation; `code` is used if the error has no number."""
        failure = failure_of(error) if error is not None else None
        log = self._log
        log._under_way.remove(self._step)
        log._changed = log.elapsed()
        observation = Observation(
            id=self._id,
            step=self._step.name,
            role=self._about.role,
            hop=self._about.hop,
            started_at=self._started_at,
            offset_s=round(self._offset, 6),
            duration_s=round(log._changed - self._offset, 6),
            host=self._about.host,
            address=self._about.address,
            port=self._about.port,
            failure=failure.word if failure else None,
            error_code=failure.code if failure and failure.code is not None else code,
            error=failure.text if failure else None,
            detail=detail,
        )
        log.observations.append(observation)
        return observation
