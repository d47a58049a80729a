"""Tables of measurements for a terminal, the line above them and the lines below."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from probe.text import safe
from schedules.config.registers import import_command, max_age_days, not_imported
from schedules.render.text import SIGNS, STYLES, age, how, listing, seconds, what

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    from results.db.store import Store
    from schedules.config.schema import Config

MANY_ROWS = 60
NARROW_COLUMNS = 100
MAX_REGISTER_COLUMNS = 32
MAX_NAMED_TARGETS = 8
MIN_NAME_WIDTH = 16
NAME_PART = re.compile(r"\w+://|[^\w]?[\w-]+|[^\w]")
NEWEST_VERSIONS = """
SELECT r.name, max(v.at) FROM registers r JOIN register_versions v ON v.register_id = r.id
WHERE r.country = ? GROUP BY r.name ORDER BY r.name
"""
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
    parts += [vantage.country or "country not set", safe(path), f"network {network}"]
    controls = [safe(control) for control in config.control.all_paths if control != path]
    controls += ["hub"] if config.control.all_hubs else []
    parts.append(f"control: {', '.join(controls)}" if controls else "no control")
    return " · ".join([*parts, *registers(config, store, vantage.country)])


def registers(config: Config, store: Store, country: str | None) -> list[str]:
    """A country's registers with the age of the newest version, and those configured but not imported."""
    if country is None:
        return ["no register"]
    now = datetime.now(UTC).timestamp()
    found = []
    for name, at in store.db.execute(NEWEST_VERSIONS, [country]).fetchall():
        days = max(0.0, now - at) / 86400
        too_old = "" if days <= max_age_days(config)(name) else ", too old to decide"
        found.append(f"register {safe(name)}, {age(days)}{too_old}")
    for table in not_imported(config, store, country):
        found.append(f"register {safe(table.name)} configured, not imported: {safe(import_command(table))}")
    return found or ["no register"]


def results_table(rows: Sequence[Row], width: int) -> Table:
    """Target, outcome, how, register, agreement, for a terminal of `width` columns."""
    grid = _grid(1)
    listings = [listing(row) if width > NARROW_COLUMNS else listing(row).removeprefix("since ") for row in rows]
    grid.add_column("", no_wrap=True, min_width=1)
    grid.add_column("target", overflow="fold")
    grid.add_column("outcome", no_wrap=True, min_width=_widest("outcome", (row["outcome"] for row in rows)))
    grid.add_column("how", overflow="fold")
    grid.add_column("register", no_wrap=True, min_width=min(_widest("register", listings), MAX_REGISTER_COLUMNS))
    grid.add_column("agreement", no_wrap=True, min_width=_widest("agreement", (row["agreement"] for row in rows)))
    for row, listed in zip(rows, listings, strict=True):
        name = what(row["target"])
        name = name if row["kind"] == "target" else safe(f"{row['service']} ({name})")
        sign, outcome = _styled(row, SIGNS[row["outcome"]]), _styled(row, row["outcome"])
        grid.add_row(sign, Folded(name), outcome, how(row), listed, row["agreement"])
    return grid


def recent_table(rows: Iterable[Row], short: Callable[[str], str]) -> Table:
    """Id, time, target, outcome, how, agreement, as `results list` prints them."""
    grid = _grid(1)
    grid.add_column("id", no_wrap=True)
    grid.add_column("when (UTC)", no_wrap=True)
    grid.add_column("target", overflow="fold")
    grid.add_column("outcome", no_wrap=True)
    grid.add_column("how", overflow="fold")
    grid.add_column("agreement", no_wrap=True)
    for row in rows:
        path = row["vantage"]["path"]
        grid.add_row(
            safe(short(row["measurement_id"])),
            safe(row["started_at"])[:16].replace("T", " "),
            Folded(what(row["target"]) + (f" via {safe(path)}" if path != "direct" else "")),
            _styled(row, f"{SIGNS[row['outcome']]} {row['outcome']}"),
            how(row),
            row["agreement"],
        )
    return grid


def _grid(padding: int) -> Table:
    from rich.table import Table

    return Table(box=None, pad_edge=False, padding=(0, padding, 0, 0), show_edge=False, header_style="bold")


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
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())


def summary(rows: Sequence[Row], elapsed_s: float, paths: int = 1) -> str:
    """The number of targets, the time taken, and the outcomes."""
    count = len(rows) if paths == 1 else len({(row["target"], row["service"]) for row in rows})
    text = f"{count} target{'s' if count != 1 else ''}" + (f" by {paths} paths" if paths > 1 else "")
    text += f" in {seconds(elapsed_s)}"
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
    grid = _grid(2)
    grid.add_column("target", overflow="fold")
    for path in paths:
        grid.add_column(safe(path), overflow="fold", min_width=max(len(f"{SIGNS[o]} {o}") for o in SIGNS))
    for line in lines:
        grid.add_row(Folded(_named(line)), *(_path_cell(line.get(path)) for path in paths))
    return grid


def paths_worth_showing(lines: Sequence[RowByPath]) -> Sequence[RowByPath]:
    """All lines if they are few; of many those not reachable via every path."""
    if len(lines) <= MANY_ROWS:
        return lines
    return [line for line in lines if any(row["outcome"] != "reachable" for row in line.values())]


def path_sentences(lines: Sequence[RowByPath], paths: Sequence[str]) -> Iterator[str]:
    """Which targets only another path opens, which none opens, and which only the first one opens."""
    first, others = paths[0], paths[1:]
    lines = [line for line in lines if any(row["outcome"] != "offline" for row in line.values())]
    closed = [line for line in lines if not _opens(line, first)]
    for path in others:
        if opened := [line for line in closed if _opens(line, path)]:
            yield f"opens by {safe(path)}: {_list_of(opened)}"
    if nowhere := [line for line in closed if not any(_opens(line, path) for path in others)]:
        yield f"opens by none of them: {_list_of(nowhere)}"
    for path in others:
        if lost := [line for line in lines if _opens(line, first) and not _opens(line, path)]:
            yield f"opens by {safe(first)}, not by {safe(path)}: {_list_of(lost)}"
    if lines and not closed:
        yield f"everything opens by {safe(first)}"


def _opens(line: RowByPath, path: str) -> bool:
    return path in line and line[path]["outcome"] == "reachable"


def _named(line: RowByPath) -> str:
    row = next(iter(line.values()))
    return what(row["target"]) if row["kind"] == "target" else safe(row["service"])


def _list_of(lines: Sequence[RowByPath]) -> str:
    names = list(dict.fromkeys(map(_named, lines)))
    more = f" and {len(names) - MAX_NAMED_TARGETS} more" if len(names) > MAX_NAMED_TARGETS else ""
    return ", ".join(names[:MAX_NAMED_TARGETS]) + more


def _path_cell(row: Row | None) -> Text:
    from rich.text import Text

    if row is None:
        return Text("not measured", style="dim")
    outcome = row["outcome"]
    return _styled(row, f"{SIGNS[outcome]} {how(row) if outcome == 'blocked' else outcome}")
