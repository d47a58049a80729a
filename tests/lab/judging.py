"""Runs a world: sets the gateway's rules, runs the program in the client's namespace, reads its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.lab import censorship
from tests.lab.standing import Lab, Ran
from tests.lab.world import World
from tests.situation import Judged


@dataclass(frozen=True)
class Run:
    """What the program said in a world."""

    world: World
    ran: Ran
    judged: tuple[Judged, ...]

    @property
    def complaints(self) -> Iterator[str]:
        """Every verdict, network state and exit code that is not as it has to be, or a known one that is no longer."""
        if self.world.xfail is None:
            yield from self._complaints
        elif not any(self._complaints):
            yield f"{self.world.name}: right now, so its xfail has to go"

    @property
    def _complaints(self) -> Iterator[str]:
        if self.ran.code != self.world.code:
            yield f"{self.world.name}: exit {self.ran.code}, not {self.world.code}: {self.ran.err.strip()[-500:]}"
        states = {row["network"] for row in self.ran.rows}
        if states - {self.world.network, self.world.also_network}:
            yield f"{self.world.name}: network {states}, not {self.world.network}"
        yield from (one.unexpected for one in self.judged if one.unexpected)


def run(world: World, lab: Lab) -> Run:
    censorship.forgives()
    try:
        with world.layout():
            world.censor()
            config = world.edit(lab.config_toml(**world.options))  # type: ignore[arg-type]
            words = ("-q", "check", "--json", *(("--deep",) if world.deep else ()), "--path", world.path)
            for _ in range(world.rounds):
                ran = lab.reachprobe(*words, *world.expected, config=config, nap_s=world.nap_s)
    finally:
        censorship.forgives()
    return measured(world, ran)


def measured(world: World, ran: Ran) -> Run:
    """What the program said, held against what it had to say."""
    rows = {row["target"]: row for row in ran.rows}
    judged = tuple(
        Judged(f"{world.name}, {target}", expected, rows.get(target)) for target, expected in world.expected.items()
    )
    return Run(world, ran, judged)
