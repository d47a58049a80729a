"""Tables of measurements for a terminal, the line above them and the lines below."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from probe.text import safe
from results.registers.statistics import newest_versions
from schedules.render.text import SIGNS, STYLES, age, agreement_text, how, listing, seconds, what

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    from results.aggregate.enforcement import Enforcement, NetworkDelay
    from results.db.store import Store
    from schedules.config.schema import Config

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
    for name, at in newest_versions(store.db, country).items():
        days = max(0.0, now - at) / 86400
        too_old = "" if days <= config.max_age_days(name) else ", too old to use"
        found.append(f"register {safe(name)}, {age(days)}{too_old}")
    for table in config.not_imported(newest_versions(store.db), country):
        found.append(f"register {safe(table.name)} configured, not imported: {safe(table.import_command)}")
    return found or ["no register"]


def results_table(rows: Sequence[Row], width: int) -> Table:
    """Target, outcome, how, register, agreement, for a terminal of `width` columns."""
    grid = new_table()
    listings = [listing(row) if width > NARROW_COLUMNS else listing(row).removeprefix("since ") for row in rows]
    grid.add_column("", no_wrap=True, min_width=1)
    grid.add_column("target", overflow="fold")
    grid.add_column("outcome", no_wrap=True, min_width=_widest("outcome", (row["outcome"] for row in rows)))
    grid.add_column("how", overflow="fold")
    grid.add_column("register", no_wrap=True, min_width=min(_widest("register", listings), MAX_REGISTER_COLUMNS))
    agreements = [agreement_text(row["agreement"]) for row in rows]
    grid.add_column("agreement", min_width=min(_widest("agreement", agreements), MAX_AGREEMENT_COLUMNS))
    for row, listed, agreement in zip(rows, listings, agreements, strict=True):
        name = what(row["target"])
        name = name if row["kind"] == "target" else safe(f"{row['service']} ({name})")
        sign, outcome = _styled(row, SIGNS[row["outcome"]]), _styled(row, row["outcome"])
        grid.add_row(sign, Folded(name), outcome, how(row), listed, agreement)
    return grid


def recent_table(rows: Iterable[Row], short: Callable[[str], str]) -> Table:
    """Id, time, target, outcome, how, agreement, as `results list` prints them."""
    grid = new_table()
    for name in ("id", "when (UTC)", "target", "outcome", "how", "agreement"):
        folded = name in ("target", "how", "agreement")
        grid.add_column(name, no_wrap=not folded, overflow="fold" if folded else "ellipsis")
    for row in rows:
        path = row["vantage"]["path"]
        grid.add_row(
            safe(short(row["measurement_id"])),
            safe(row["started_at"])[:16].replace("T", " "),
            Folded(what(row["target"]) + (f" via {safe(path)}" if path != "direct" else "")),
            _styled(row, f"{SIGNS[row['outcome']]} {row['outcome']}"),
            how(row),
            agreement_text(row["agreement"]),
        )
    return grid


def new_table(padding: int = 1) -> Table:
    """An empty table without lines."""
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
    text = f"{count} target{'s' if count != 1 else ''}" + (f" via {paths} paths" if paths > 1 else "")
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
    grid = new_table(padding=2)
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
    """Which targets are reachable only via another path, via none, and only via the first one."""
    first, others = paths[0], paths[1:]
    lines = [line for line in lines if any(row["outcome"] != "offline" for row in line.values())]
    closed = [line for line in lines if not _opens(line, first)]
    for path in others:
        if opened := [line for line in closed if _opens(line, path)]:
            yield f"reachable only via {safe(path)}: {_list_of(opened)}"
    if nowhere := [line for line in closed if not any(_opens(line, path) for path in others)]:
        yield f"not reachable via any path: {_list_of(nowhere)}"
    for path in others:
        if lost := [line for line in lines if _opens(line, first) and not _opens(line, path)]:
            yield f"reachable via {safe(first)} but not via {safe(path)}: {_list_of(lost)}"
    if lines and not closed:
        yield f"everything is reachable via {safe(first)}"


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


def network_delays_table(delays: Sequence[NetworkDelay]) -> Table:
    """Network, register, targets, how many of them are blocked, the median delay."""
    grid = _delays_table("network", "register", "listed", "blocked", "median from listing to block")
    for one in delays:
        median = span_text(one.at_least, one.at_most) if one.blocked else "none blocked"
        grid.add_row(_network_name(one.network), safe(one.register), str(one.targets), str(one.blocked), median)
    return grid


def target_delays_table(found: Sequence[Enforcement]) -> tuple[Table, int]:
    """Target, network, since when it is listed, the hours; and how many were left out."""
    grid = _delays_table("target", "network", "listed (UTC)", "blocked after")
    for one in found[:MAX_DELAY_ROWS]:
        listed = safe(one.listed_at)[:16].replace("T", " ")
        grid.add_row(Folded(what(one.target)), _network_name(one.network), listed, delay_text(one))
    return grid, max(0, len(found) - MAX_DELAY_ROWS)


def delay_text(one: Enforcement) -> str:
    """The delay of one target."""
    at_least, at_most = one.hours
    if one.first_blocked is None:
        return f"reachable, {_hours_text(at_least)} so far" if at_least else "not measured since"
    if at_most is None:
        return "blocked; listing date unknown"
    return span_text(at_least, at_most)


def span_text(at_least: float | None, at_most: float | None) -> str:
    """`3 to 4 h`, `2.5 to 3 days`, `more than 2 days`, `30 h before the listing`."""
    if at_most is None:
        return f"more than {_hours_text(at_least)}" if at_least else "unknown"
    if at_most < 0:
        earlier = f"{_hours_text(-at_most)} or more" if at_least is None else _between(-at_most, -at_least)
        return f"{earlier} before the listing"
    if not at_least:
        return f"up to {_hours_text(at_most)}"
    return _between(at_least, at_most)


def _between(lower: float, upper: float) -> str:
    low, high = _hours_text(lower), _hours_text(upper)
    if low == high:
        return low
    return f"{low.split()[0]} to {high}" if low.split()[1] == high.split()[1] else f"{low} to {high}"


def _hours_text(hours: float | None) -> str:
    if hours is None:
        return "0 h"
    number, unit = (hours, "h") if abs(hours) < 100 else (hours / 24, "days")
    return f"{number:.3g} {unit}" if number < 1000 else f"{number:,.0f} {unit}"


def _network_name(name: str | None) -> str:
    return safe(name) if name is not None else "unknown"


def _delays_table(*headers: str) -> Table:
    table = new_table()
    for header in headers:
        table.add_column(header, overflow="fold", no_wrap=header != "target")
    return table
