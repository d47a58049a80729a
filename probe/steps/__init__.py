"""One protocol a file. Each file declares its `SPEC`, and whatever else depends on a step derives from that."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec

from probe.model import Observation

AnswerKind = Literal["connected", "handshake", "responded", "complete"]
"""What a step shows where a target ends with it: an open port, a handshake, a reply, or a whole answer."""


class MethodSpec(msgspec.Struct, frozen=True):
    """One way to fail, of the closed list."""

    name: str
    by_name: bool = False
    """Whether the name in an open connection can cause it; an alert, for one, is an answer."""
    is_silence: bool = False
    """Whether packet loss can cause it as well."""


class StepSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the program needs to know of one step."""

    name: str
    order: int
    """Position among the steps of a measurement; a new step comes last."""
    detail: type[msgspec.Struct]
    """The record of an observation; that of a step that begins at an address has a field `family`."""
    begins: Literal["name", "address", "stream"]
    """What it needs to begin: a name to look up, an address to send to, or an open stream."""
    schemes: Mapping[str, int | None] = msgspec.field(default_factory=dict)
    """The schemes whose targets end with this step, each with its default port."""
    answer: AnswerKind | None = None
    failures: Mapping[str, str] = msgspec.field(default_factory=dict)
    """OONI's failure -> method. A failure without a method is never called blocked."""
    methods: tuple[MethodSpec, ...] = ()
    traffic_bytes: Callable[[Any], int]
    """About how many bytes it sends and receives, packet headers included, by its detail."""
    one_packet: bool = False
    """Whether its answer is one small packet."""
    default_name: str | None = None
    """For schemes that ask a resolver: the name to ask for where a target gives none."""
    over_udp: bool = False
    """Whether it begins at an address with a datagram."""
    attempt: Callable[..., Awaitable[Observation]] | None = None
    """Runs an attempt of its schemes where these need no TCP connection: (log, about, attempt, settings)."""


@lru_cache(maxsize=1)
def specs() -> dict[str, StepSpec]:
    """Step name -> its specification, in order, for every file in this folder."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    found: list[StepSpec] = [module.SPEC for module in modules]
    return {spec.name: spec for spec in sorted(found, key=lambda spec: spec.order)}


@lru_cache(maxsize=1)
def schemes() -> dict[str, StepSpec]:
    """Scheme -> the step that a target of that scheme ends with; web pages first."""
    web_first = sorted(specs().values(), key=lambda spec: spec.answer != "complete")
    return {scheme: spec for spec in web_first for scheme in spec.schemes}


def default_port(scheme: str) -> int | None:
    """The port of a scheme where a target names none; None where it has to name one."""
    return schemes()[scheme].schemes[scheme]
