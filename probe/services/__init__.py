"""The built-in services: named groups of targets, one TOML file each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from gettext import gettext as _

import msgspec

from probe import data_files
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


@cache
def built_in() -> Mapping[str, Service]:
    """The services that come with the program, by name."""
    groups = {name: msgspec.convert(data, Group) for name, data in data_files(__name__).items()}
    return {
        name: Service(
            name=name,
            title=group.title,
            targets=targets(name, group.required, group.optional),
            ended=group.ended,
            note=group.note,
            category=group.category,
        )
        for name, group in groups.items()
    }


def targets(
    name: str, required: Iterable[str], optional: Iterable[str], *, allow_private: bool = False
) -> tuple[Target, ...]:
    """A service's targets, the required first. Raises BadTarget."""
    return tuple(
        parse(text, service=name, required=is_required, allow_private=allow_private)
        for texts, is_required in ((required, True), (optional, False))
        for text in texts
    )


def named(name: str, known: Mapping[str, Service]) -> Service:
    """The service of that name. UnknownService for a name that is not among `known`."""
    if name.lower() not in known:
        raise UnknownService(
            _("unknown service {name!r}; known: {names}. A target needs a dot or a scheme").format(
                name=name, names=", ".join(known)
            )
        )
    return known[name.lower()]
