"""Tables of measurements for a terminal, the line above them and the lines below."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from gettext import gettext as _
from typing import TYPE_CHECKING, Any

from probe.text import safe
from results.aggregate.enforcement import Enforcement, NetworkDelay
from results.db.store import Store
from results.registers.statistics import newest_versions
from schedules.config.schema import Config
from schedules.render.text import (
    SIGNS,
    STYLES,
    age,
    agreement_text,
    how,
    how_many,
    listing,
    outcome_text,
    seconds,
    what,
    words,
)

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    from results.aggregate.outages import NetworkInterval


MANY_ROWS = 60
MAX_DELAY_ROWS = 40
NARROW_COLUMNS = 100
MAX_REGISTER_COLUMNS = 32
MAX_AGREEMENT_COLUMNS = 19
MAX_NAMED_TARGETS = 8
MIN_NAME_WIDTH = 16
NAME_PART = re.compile(r"\w+://|[^\w]?[\w-]+|[^\w]")
Row = dict[str, Any]
RowByPath = dict[str, Row]


def fold(text: str, width: int) -> list[str]:
    """Lines of at most `width` characters, broken where a part of a name begins; a longer part is split."""
    lines = [""]
    for part in NAME_PART.findall(text):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
        while len(lines[-1]) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return lines


class Folded:
    """A table cell with a long name, broken between its parts."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement

        longest = max(map(len, NAME_PART.findall(self.text)), default=0)
        return Measurement(min(longest, MIN_NAME_WIDTH), len(self.text)).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        yield Text("\n".join(fold(self.text, options.max_width)))


def header(config: Config, store: Store, path: str, network: str) -> str:
    """`home-fibre · AS12389 · RU · direct · network online · control: vpn · register rkn, 3 hours old`."""
    vantage = config.vantage_by(path)
    parts = [safe(vantage.name)]
    if vantage.asn is not None:
        parts.append(f"AS{vantage.asn}")
    parts += [vantage.country or _("country not set"), safe(path)]
    parts.append(_("network {state}").format(state=words().term("network", network)))
    controls = [safe(control) for control in config.control.all_paths if control != path]
    controls += [_("hub")] if config.control.all_hubs else []
    parts.append(_("control: {names}").format(names=", ".join(controls)) if controls else _("no control"))
    return " · ".join([*parts, *registers(config, store, vantage.country)])


def registers(config: Config, store: Store, country: str | None) -> list[str]:
    """A country's registers with the age of the newest version, and those configured but not imported."""
    if country is None:
        return [_("no register")]
    now = datetime.now(UTC).timestamp()
    found = []
    for name, at in newest_versions(store.db, country).items():
        days = max(0.0, now - at) / 86400
        sentence = _("register {name}, {age}")
        if days > config.max_age_days(name):
            sentence = _("register {name}, {age}, too old to use")
        found.append(sentence.format(name=safe(name), age=age(days)))
    for table in config.not_imported(newest_versions(store.db), country):
        sentence = _("register {name} configured, not imported: {command}")
        found.append(sentence.format(name=safe(table.name), command=safe(table.import_command)))
    return found or [_("no register")]


def results_table(rows: Sequence[Row], width: int) -> Table:
    """Target, outcome, how, register, agreement, for a terminal of `width` columns."""
    grid = new_table()
    prefix = "" if width > NARROW_COLUMNS else _("since {date}").format(date="")
    listings = [listing(row).removeprefix(prefix) for row in rows]
    outcomes = [outcome_text(row["outcome"]) for row in rows]
    agreements = [agreement_text(row["agreement"]) for row in rows]
    grid.add_column("", no_wrap=True, min_width=1)
    grid.add_column(_("target"), overflow="fold")
    grid.add_column(_("outcome"), no_wrap=True, min_width=_widest(_("outcome"), outcomes))
    grid.add_column(_("how"), overflow="fold")
    grid.add_column(_("register"), no_wrap=True, min_width=min(_widest(_("register"), listings), MAX_REGISTER_COLUMNS))
    grid.add_column(_("agreement"), min_width=min(_widest(_("agreement"), agreements), MAX_AGREEMENT_COLUMNS))
    for row, listed, agreement in zip(rows, listings, agreements, strict=True):
        name = what(row["target"])
        name = name if row["kind"] == "target" else safe(f"{row['service']} ({name})")
        sign, outcome = _styled(row, SIGNS[row["outcome"]]), _styled(row, outcome_text(row["outcome"]))
        grid.add_row(sign, Folded(name), outcome, how(row), listed, agreement)
    return grid


def recent_table(rows: Iterable[Row], short: Callable[[str], str]) -> Table:
    """Id, time, target, outcome, how, agreement, as `results list` prints them."""
    grid = new_table()
    folded = _("target"), _("how"), _("agreement")
    for head in (_("id"), _("when (UTC)"), _("target"), _("outcome"), _("how"), _("agreement")):
        grid.add_column(head, no_wrap=head not in folded, overflow="fold" if head in folded else "ellipsis")
    for row in rows:
        path = row["vantage"]["path"]
        grid.add_row(
            safe(short(row["measurement_id"])),
            safe(row["started_at"])[:16].replace("T", " "),
            Folded(_via(what(row["target"]), path)),
            _outcome_cell(row),
            how(row),
            agreement_text(row["agreement"]),
        )
    return grid


def new_table(padding: int = 1) -> Table:
    """An empty table without lines."""
    from rich.table import Table

    return Table(box=None, pad_edge=False, padding=(0, padding, 0, 0), show_edge=False, header_style="bold")


def _via(target: str, path: str) -> str:
    return target if path == "direct" else _("{target} via {path}").format(target=target, path=safe(path))


def _outcome_cell(row: Row) -> Text:
    return _styled(row, f"{SIGNS[row['outcome']]} {outcome_text(row['outcome'])}")


def _styled(row: Row, text: str) -> Text:
    from rich.text import Text

    return Text(text, style=STYLES[row["outcome"]])


def _widest(title: str, texts: Iterable[str]) -> int:
    """The width a column needs to show everything uncut."""
    return max(map(len, (title, *texts)))


def rows_worth_showing(rows: Sequence[Row]) -> Sequence[Row]:
    """All rows if they are few; of many only the abnormal ones."""
    if len(rows) <= MANY_ROWS:
        return rows
    return [row for row in rows if row["outcome"] != "reachable" or row["agreement"] not in ("open", "undecided")]


def counted(outcomes: Counter[str]) -> str:
    """`2 blocked, 1 reachable`, the most frequent first."""
    return ", ".join(f"{count} {outcome_text(outcome)}" for outcome, count in outcomes.most_common())


def summary(rows: Sequence[Row], elapsed_s: float, paths: int = 1) -> str:
    """The number of targets, the time taken, and the outcomes."""
    count = len(rows) if paths == 1 else len({(row["target"], row["service"]) for row in rows})
    sentence = _("{targets} via {paths} in {duration}") if paths > 1 else _("{targets} in {duration}")
    numbers = {"targets": how_many(count, "target"), "paths": how_many(paths, "path")}
    text = sentence.format(**numbers, duration=seconds(elapsed_s))
    return f"{text}: {counted(Counter(row['outcome'] for row in rows))}." if rows else text


def most_relevant(rows: Sequence[Row]) -> Row | None:
    """The row to explain first: a blocked one, else an abnormal one, else any."""
    order = ("blocked", "inconclusive", "denied", "down", "offline", "reachable")
    return min(rows, key=lambda row: order.index(row["outcome"]), default=None)


def side_by_side(by_path: dict[str, Sequence[Row]]) -> list[RowByPath]:
    """The rows of each path, all in the same order, target by target."""
    longest = max(map(len, by_path.values()), default=0)
    return [{path: rows[n] for path, rows in by_path.items() if n < len(rows)} for n in range(longest)]


def paths_table(lines: Sequence[RowByPath], paths: Sequence[str]) -> Table:
    """A column for each path, a row for each target."""
    grid = new_table(padding=2)
    grid.add_column(_("target"), overflow="fold")
    for path in paths:
        grid.add_column(safe(path), overflow="fold", min_width=2 + max(len(outcome_text(one)) for one in SIGNS))
    for line in lines:
        grid.add_row(Folded(_named(line)), *(_path_cell(line.get(path)) for path in paths))
    return grid


def paths_worth_showing(lines: Sequence[RowByPath]) -> Sequence[RowByPath]:
    """All lines if they are few; of many those not reachable via every path."""
    if len(lines) <= MANY_ROWS:
        return lines
    return [line for line in lines if any(row["outcome"] != "reachable" for row in line.values())]


def path_sentences(lines: Sequence[RowByPath], paths: Sequence[str]) -> Iterator[str]:
    """Which targets are reachable only via another path, via none, and only via the first one."""
    first, others = paths[0], paths[1:]
    lines = [line for line in lines if any(row["outcome"] != "offline" for row in line.values())]
    closed = [line for line in lines if not _opens(line, first)]
    for path in others:
        if opened := [line for line in closed if _opens(line, path)]:
            yield _("reachable only via {path}: {targets}").format(path=safe(path), targets=_list_of(opened))
    if nowhere := [line for line in closed if not any(_opens(line, path) for path in others)]:
        yield _("not reachable via any path: {targets}").format(targets=_list_of(nowhere))
    for path in others:
        if lost := [line for line in lines if _opens(line, first) and not _opens(line, path)]:
            sentence = _("reachable via {first} but not via {path}: {targets}")
            yield sentence.format(first=safe(first), path=safe(path), targets=_list_of(lost))
    if lines and not closed:
        yield _("everything is reachable via {path}").format(path=safe(first))


def _opens(line: RowByPath, path: str) -> bool:
    return path in line and line[path]["outcome"] == "reachable"


def _named(line: RowByPath) -> str:
    row = next(iter(line.values()))
    return what(row["target"]) if row["kind"] == "target" else safe(row["service"])


def _list_of(lines: Sequence[RowByPath]) -> str:
    names = list(dict.fromkeys(map(_named, lines)))
    shown = ", ".join(names[:MAX_NAMED_TARGETS])
    left = len(names) - MAX_NAMED_TARGETS
    return _("{names} and {count} more").format(names=shown, count=left) if left > 0 else shown


def _path_cell(row: Row | None) -> Text:
    from rich.text import Text

    if row is None:
        return Text(_("not measured"), style="dim")
    return _styled(row, f"{SIGNS['blocked']} {how(row)}") if row["outcome"] == "blocked" else _outcome_cell(row)


def network_delays_table(delays: Sequence[NetworkDelay]) -> Table:
    """Network, register, targets, how many of them are blocked, the median delay."""
    from results.report.narrative import between

    grid = _delays_table(_("network"), _("register"), _("listed"), _("blocked"), _("median from listing to block"))
    for one in delays:
        median = between(one.at_least, one.at_most, words()) if one.blocked else _("none blocked")
        grid.add_row(_network_name(one.network), safe(one.register), str(one.targets), str(one.blocked), median)
    return grid


def target_delays_table(found: Sequence[Enforcement]) -> tuple[Table, int]:
    """Target, network, since when it is listed, the hours; and how many were left out."""
    from results.report.narrative import hours

    grid = new_table()
    grid.add_column(_("target"), overflow="fold")
    for head in (_("network"), _("listed (UTC)"), _("blocked")):
        grid.add_column(head, no_wrap=True)
    for one in found[:MAX_DELAY_ROWS]:
        listed = safe(one.listed_at)[:16].replace("T", " ")
        grid.add_row(Folded(what(one.target)), _network_name(one.network), listed, hours(one, words()))
    return grid, max(0, len(found) - MAX_DELAY_ROWS)


def outages_table(found: Sequence[NetworkInterval]) -> tuple[Table, int]:
    """The newest outages and times without data, and how many were left out."""
    from results.report import narrative

    grid = new_table()
    for head in (_("network"), _("vantage point"), _("state"), _("began (UTC)"), _("ended (UTC)"), _("duration")):
        grid.add_column(head, overflow="fold")
    for one in found[: -MAX_DELAY_ROWS - 1 : -1]:
        grid.add_row(_network_name(one.network), safe(one.vantage), *narrative.outage(one, words()))
    return grid, max(0, len(found) - MAX_DELAY_ROWS)


def _network_name(name: str | None) -> str:
    return safe(name) if name is not None else _("unknown")


def _delays_table(*headers: str) -> Table:
    table = new_table()
    for header in headers:
        table.add_column(header, no_wrap=True)
    return table
