"""From what a person or the configuration names to the targets to measure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from probe.model import Service, Target
from probe.services import built_in, named, targets
from probe.target import BadTarget, parse
from schedules.plan.exclusions import VPN, Left, left_out, sentences, vpn_is_risky
from schedules.plan.lists import copy_of, is_published
from schedules.plan.model import BadChoice, Choice, Wanted
from schedules.plan.register_sample import sampled, waiting

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import CampaignTable, Config

MAX_LIST_LINES = 1_000_000
DEFAULT_EVERY_S = 6 * 3600
IS_TARGET = re.compile(r"[.:/\[]")


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
            category=table.category or (before.category if before else None),
        )
    return known


def refuse(found: Iterable[Target], config: Config, database: Path) -> None:
    """BadChoice for the first target that its owner has left out. VPN services that only the country leaves out of
    campaigns are not refused to somebody who names them."""
    codes = frozenset(config.care.leave_out)
    left = left_alone(config, database) if codes else Left()
    for target in found:
        code = left.code_of(target)
        if code in codes:
            what = target.service or target.text
            raise BadChoice(f"{what}: [care] leave_out has {code}, which this is; --anyway measures it all the same")


def worth_knowing(found: Iterable[Target], config: Config) -> str | None:
    """What somebody is told who names a VPN service in a country where using one may be an offence."""
    country = vpn_is_risky(config)
    of_vpns = left_out(config, services(config), tuple)
    if country is None or not any(of_vpns.code_of(target) == VPN for target in found):
        return None
    return f"worth knowing: this contacts a VPN service's site, and using a VPN may be an offence in {country}"


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
    What `[care]` leaves out is not among it.
    """
    left = left_alone(config, store.path if store is not None else None)
    return tuple(one for one in _wanted(config, store, left) if left.code_of(one.target) is None)


def unmeasured(config: Config, store: Store | None = None) -> list[str]:
    """A sentence for what the campaigns want and is not measured: registers that are not there, what `[care]` says."""
    left = left_alone(config, store.path if store is not None else None)
    codes = [code for one in _wanted(config, store, left) if (code := left.code_of(one.target)) is not None]
    return [*waiting(config, store), *sentences(config, codes)]


def left_alone(config: Config, database: Path | None) -> Left:
    """What is left out, as far as services, and the lists of campaigns that are here, tell the categories."""

    def listed() -> Iterator[tuple[Target, str]]:
        for list_ in dict.fromkeys(campaign.list for campaign in config.campaign if campaign.list is not None):
            yield from _listed(list_, config, database)

    return left_out(config, services(config), listed)


def _wanted(config: Config, store: Store | None, left: Left) -> tuple[Wanted, ...]:
    from schedules.config.schema import seconds_of

    known = services(config)
    if not config.campaign:
        own = {table.name for table in config.service}
        chosen = [service for service in known.values() if service.name in own or not own]
        return tuple(Wanted(target, "direct", DEFAULT_EVERY_S) for service in chosen for target in service.targets)
    found: dict[tuple[Target, str], Wanted] = {}
    for campaign in config.campaign:
        every_s = int(seconds_of(campaign.every))
        for target in _of_campaign(campaign, known, config, store, left):
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
    campaign: CampaignTable, known: dict[str, Service], config: Config, store: Store | None, left: Left
) -> list[Target]:
    found = [target for name in campaign.services for target in named(name, known).targets]
    found += [parse(text, allow_private=config.network.allow_private) for text in campaign.targets]
    if campaign.list is not None:
        listed = _listed(campaign.list, config, store.path if store is not None else None)
        found += [target for target, _ in listed]
    if campaign.register is not None and store is not None:
        found += sampled(campaign, store, left.listed)
    return found


def _listed(list_: str, config: Config, database: Path | None) -> list[tuple[Target, str]]:
    """A file's targets with their categories, or those of a published list as far as there is a copy of it."""
    private = config.network.allow_private
    if not is_published(list_):
        return read_list(Path(list_), allow_private=private)
    copy = copy_of(list_, database) if database is not None else None
    return read_list(copy, allow_private=private, lenient=True) if copy is not None and copy.exists() else []


def from_list(path: Path, *, allow_private: bool = False, lenient: bool = False) -> list[Target]:
    """The targets of a list, whatever their categories."""
    return [target for target, _ in read_list(path, allow_private=allow_private, lenient=lenient)]


def read_list(path: Path, *, allow_private: bool = False, lenient: bool = False) -> list[tuple[Target, str]]:
    """One target a line, or a CSV with a column `url` and perhaps one `category_code` ("" where it has none).

    Empty lines and those that begin with # are passed over. A line that is no target refuses them all; a lenient
    reading passes it over.
    """
    found: list[tuple[Target, str]] = []
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = csv.reader(lines)
            column, coded = 0, -1
            for number, row in enumerate(rows, 1):
                if number > MAX_LIST_LINES:
                    raise BadChoice(f"{path}: more than {MAX_LIST_LINES} lines")
                if number == 1 and "url" in row:
                    column = row.index("url")
                    coded = row.index("category_code") if "category_code" in row else -1
                elif len(row) > column and (text := row[column].strip()) and not text.startswith("#"):
                    code = row[coded].strip().upper() if -1 < coded < len(row) else ""
                    try:
                        found.append((parse(text, allow_private=allow_private), code))
                    except BadTarget:
                        if not lenient:
                            raise
    except OSError as error:
        raise BadChoice(f"{path}: cannot be read: {error.strerror}") from error
    except (BadTarget, csv.Error, UnicodeDecodeError) as error:
        raise BadChoice(f"{path}:{rows.line_num}: {error}") from error
    return found
