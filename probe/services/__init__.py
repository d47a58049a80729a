"""The built-in services: named groups of targets, one TOML file each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import msgspec

from probe.model import Service, Target
from probe.target import parse


class Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service as it is written down."""

    title: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    ended: str | None = None
    note: str | None = None
    category: str | None = None


class UnknownService(ValueError):
    """An unknown service; the message lists the known ones."""


def built_in() -> dict[str, Service]:
    """The services that come with the program, by name."""
    return dict(_built_in())


@cache
def _built_in() -> tuple[tuple[str, Service], ...]:
    """Read once."""
    return tuple((name, read(name, text)) for name, text in sorted(_texts()))


def read(name: str, text: str) -> Service:
    """One service from its TOML. Raises BadTarget, or msgspec.ValidationError for a wrong key."""
    group = msgspec.convert(tomllib.loads(text), Group)
    return Service(
        name=name,
        title=group.title,
        targets=targets(name, group.required, group.optional),
        ended=group.ended,
        note=group.note,
        category=group.category,
    )


def targets(
    name: str, required: Iterable[str], optional: Iterable[str], *, allow_private: bool = False
) -> tuple[Target, ...]:
    """A service's targets, the required first. Raises BadTarget."""
    return tuple(
        parse(text, service=name, required=is_required, allow_private=allow_private)
        for texts, is_required in ((required, True), (optional, False))
        for text in texts
    )


def named(name: str, known: dict[str, Service]) -> Service:
    """The service of that name. UnknownService for a name that is not among `known`."""
    if name.lower() not in known:
        raise UnknownService(
            f"there is no service {name!r}; known: {', '.join(known)}. A target needs a dot or a scheme"
        )
    return known[name.lower()]


def _texts() -> Iterable[tuple[str, str]]:
    for file in files(__package__).iterdir():
        if file.name.endswith(".toml"):
            yield file.name.removesuffix(".toml"), file.read_text("utf-8")
