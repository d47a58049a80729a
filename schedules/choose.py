"""From what a person or the configuration names to the targets to measure."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from probe.model import Service, Target
from probe.services import built_in, named, targets
from probe.target import BadTarget, parse
from schedules.lists import copy_of, is_published
from schedules.plan import Wanted
from schedules.sampled import sampled

if TYPE_CHECKING:
    from results.store import Store
    from schedules.config import CampaignTable, Config

MAX_LIST_LINES = 1_000_000
DEFAULT_EVERY_S = 6 * 3600
IS_TARGET = re.compile(r"[.:/\[]")


class BadChoice(ValueError):
    """Something that cannot be measured; the message names it and the way out."""


class Choice(msgspec.Struct, frozen=True):
    """Targets to measure by one path. After `until`, a reading of the monotonic clock, no further one is begun."""

    targets: tuple[Target, ...]
    path: str = "direct"
    until: float = math.inf

    def ending(self, until: float) -> Choice:
        return Choice(self.targets, self.path, until)


def services(config: Config) -> dict[str, Service]:
    """The built-in services, and over them the configuration's own, by name."""
    known = built_in()
    for table in config.service:
        before = known.get(table.name)
        known[table.name] = Service(
            name=table.name,
            title=table.title or (before.title if before else table.name),
            targets=targets(table.name, table.required, table.optional, allow_private=config.network.allow_private),
            ended=table.ended,
            note=table.note,
        )
    return known


def from_words(words: Iterable[str], config: Config) -> tuple[Target, ...]:
    """Targets and services as given on the command line, in that order; one that cannot be read refuses them all."""
    known = services(config)
    found: list[Target] = []
    for word in words:
        if IS_TARGET.search(word):
            found.append(parse(word, allow_private=config.network.allow_private))
        else:
            found += named(word, known).targets
    return tuple(found)


def wanted(config: Config, store: Store | None = None) -> tuple[Wanted, ...]:
    """What the campaigns want, each target by each path once, as often as the most eager campaign wants it.

    Without campaigns: every service directly, every DEFAULT_EVERY_S. Samples of registers are drawn from the store.
    """
    from schedules.config_words import seconds_of

    known = services(config)
    if not config.campaign:
        own = {table.name for table in config.service}
        chosen = [service for service in known.values() if service.name in own or not own]
        return tuple(Wanted(target, "direct", DEFAULT_EVERY_S) for service in chosen for target in service.targets)
    found: dict[tuple[Target, str], Wanted] = {}
    for campaign in config.campaign:
        every_s = int(seconds_of(campaign.every))
        for target in _of_campaign(campaign, known, config, store):
            before = found.get((target, campaign.path))
            often = min(every_s, before.every_s) if before else every_s
            found[target, campaign.path] = Wanted(target, campaign.path, often)
    return tuple(found.values())


def from_campaigns(config: Config, store: Store | None = None) -> tuple[Choice, ...]:
    """All that the campaigns measure, path by path, due or not."""
    by_path: dict[str, list[Target]] = {}
    for one in wanted(config, store):
        by_path.setdefault(one.path, []).append(one.target)
    return tuple(Choice(tuple(chosen), path) for path, chosen in by_path.items())


def _of_campaign(
    campaign: CampaignTable, known: dict[str, Service], config: Config, store: Store | None
) -> list[Target]:
    found = [target for name in campaign.services for target in named(name, known).targets]
    found += [parse(text, allow_private=config.network.allow_private) for text in campaign.targets]
    if campaign.list is not None:
        found += _listed(campaign.list, config, store)
    if campaign.register is not None and store is not None:
        found += sampled(campaign, store)
    return found


def _listed(list_: str, config: Config, store: Store | None) -> list[Target]:
    """A file's targets, or those of a published list as far as there is a copy of it."""
    private = config.network.allow_private
    if not is_published(list_):
        return from_list(Path(list_), allow_private=private)
    copy = copy_of(list_, store.path) if store is not None else None
    return from_list(copy, allow_private=private, lenient=True) if copy is not None and copy.exists() else []


def from_list(path: Path, *, allow_private: bool = False, lenient: bool = False) -> list[Target]:
    """One target a line, or a CSV with a column `url`; empty lines and those that begin with # are passed over.

    A line that is no target refuses them all; a lenient reading passes it over.
    """
    found: list[Target] = []
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = csv.reader(lines)
            column = 0
            for number, row in enumerate(rows, 1):
                if number > MAX_LIST_LINES:
                    raise BadChoice(f"{path}: more than {MAX_LIST_LINES} lines")
                if number == 1 and "url" in row:
                    column = row.index("url")
                elif len(row) > column and (text := row[column].strip()) and not text.startswith("#"):
                    try:
                        found.append(parse(text, allow_private=allow_private))
                    except BadTarget:
                        if not lenient:
                            raise
    except OSError as error:
        raise BadChoice(f"{path}: cannot be read: {error.strerror}") from error
    except (BadTarget, csv.Error, UnicodeDecodeError) as error:
        raise BadChoice(f"{path}:{rows.line_num}: {error}") from error
    return found
