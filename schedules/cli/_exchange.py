"""`results export`, `key`, `import` and `merge`: measurements in files and between databases."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from gettext import gettext as _
from gettext import ngettext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import click

from probe import temporary_files
from probe.text import safe
from schedules.cli._app import App, reported
from schedules.render.output import print_json, talk
from schedules.render.text import how_many, method_text, outcome_text

if TYPE_CHECKING:
    from minisign import SecretKey

    from results.db.store import Store
    from results.export.exchange import ImportedRecord, Read, SkippedLine, Write


MAX_SKIPPED_SHOWN = 20
FORMATS = ["jsonl", "ooni", "csv", "parquet"]
LICENCES = [
    "CC0-1.0",
    "CC-BY-4.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-SA-4.0",
    "ODC-By-1.0",
    "ODbL-1.0",
    "PDDL-1.0",
]
"""By their SPDX identifiers."""
ALL = "SELECT count(*) FROM measurements WHERE control_of IS NULL"


@click.command("export")
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), required=True, help="Output format; only jsonl is complete."
)
@click.option(
    "-o", "--output", "path", metavar="FILE", type=click.Path(path_type=Path), help="Write to FILE instead of stdout."
)
@click.option(
    "--licence",
    metavar="SPDX-ID",
    type=click.Choice(LICENCES),
    help="Licence of the data, such as CC-BY-4.0, stored in the export.",
)
@click.option(
    "--sign",
    "key_file",
    metavar="KEY",
    type=click.Path(path_type=Path),
    help="Sign FILE with this key (see `results key`).",
)
@click.pass_obj
def export(app: App, format_: str, path: Path | None, licence: str | None, key_file: Path | None) -> None:
    """Export every measurement, oldest first. FILE appears only when it is complete.

    --sign also writes FILE.minisig, which `results import --verify` or minisign can check.
    """
    from results.db import read
    from results.export import exchange, signing
    from results.export.signing import SignatureError

    if path is None and (key_file is not None or format_ == "parquet"):
        option = "--sign" if key_file else "--format parquet"
        raise click.UsageError(_("{option} needs a file: give -o FILE").format(option=option))
    with reported(SignatureError):
        key = signing.read_secret(key_file) if key_file is not None else None
    with app.store(must_exist=True) as store:
        count = int(store.db.execute(ALL).fetchone()[0])
        if path is None:
            for line in _lines(store, format_, licence, count):
                sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            return
        comment = f"reachprobe, {count} measurements; format {format_}; licence {licence or 'not stated'}"
        with reported(exchange.NoParquet), _written(path, key, comment) as out:
            if format_ == "parquet":
                exchange.write_parquet(read.rows(store.db, oldest_first=True), Path(out.name), licence)
            else:
                out.writelines(_lines(store, format_, licence, count))
    if not app.quiet:
        written = _("{measurements} written to {path}").format(measurements=how_many(count, "measurement"), path=path)
        click.echo(written, err=True)


@click.command("key")
@click.argument("file", type=click.Path(path_type=Path))
def key(file: Path) -> None:
    """Create a key pair for signing exports.

    Writes FILE (keep it secret) and FILE.pub, and prints the public key.
    """
    from results.export import signing

    made = signing.new_key()
    try:
        signing.write_keys(made, file)
    except OSError as error:
        raise click.ClickException(f"{error.filename or file}: {error.strerror or error}") from error
    click.echo(signing.public_text(made))


def _lines(store: Store, format_: str, licence: str | None, count: int) -> Iterator[bytes]:
    """The export's lines, with the licence where the format has a field for it."""
    from results import ooni
    from results.db import read
    from results.export import exchange

    if format_ == "csv":
        yield from exchange.csv_lines(read.rows(store.db, oldest_first=True), licence)
        return
    write: Write = exchange.write_line if format_ == "jsonl" else partial(ooni.write_line, licence=licence)
    if format_ == "jsonl" and licence is not None:
        yield exchange.write_header(licence, count) + b"\n"
    for line in exchange.export(store, write):
        yield line + b"\n"


@contextmanager
def _written(path: Path, key: SecretKey | None, comment: str) -> Iterator[BinaryIO]:
    """A temporary file that replaces `path` once complete, together with its signature."""
    from results.export import signing

    try:
        if path.exists() and not path.is_file() and key is None:  # never replace a pipe or a device
            with path.open("wb") as there:
                yield there
            return
        unfinished = temporary_files.unfinished(path)
        try:
            with unfinished.open("xb") as out:
                yield out
            signature = signing.sign(unfinished, key, comment) if key is not None else None
            unfinished.replace(path)
            if signature is not None:
                path.with_name(f"{path.name}.minisig").write_text(signature)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from error


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_",
    type=click.Choice(["jsonl", "ooni"]),
    required=True,
    help="reachprobe's JSONL or OONI's data format.",
)
@click.option("--verify", "public_key", metavar="KEY", help="Require a signature by this public key (or key file).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per measurement instead of a summary.")
@click.pass_obj
def import_(app: App, /, files: tuple[Path, ...], format_: str, public_key: str | None, as_json: bool) -> None:
    """Import measurements from files.

    They are judged by the current rules.

    A FILE holds JSON lines, a JSON array, or is a tar archive; gzip and zstd are supported. Unreadable records are
    skipped and reported. The exit code is 2 if nothing in a file could be read.
    """
    from results import ooni
    from results.export import exchange, signing
    from results.ooni import other_tests
    from schedules.round.judge import judge_again
    from schedules.runtime import lock

    config = app.config()
    for path in files:
        if not path.exists() or path.is_dir():
            raise click.ClickException(_("{path}: no such file").format(path=path))
    if public_key is not None:  # verify all before reading any
        with reported(signing.SignatureError, OSError):
            key = signing.read_public(public_key)
            for path in files:
                sentence = _("{path}: valid signature: {comment}")
                talk(safe(sentence.format(path=path, comment=signing.verify(path, key))), quiet=app.quiet)
    read: Read = {"jsonl": exchange.read_line, "ooni": ooni.read_line}[format_]
    split = other_tests.split if format_ == "ooni" else None
    with app.store() as store, lock.held(app.database), ImportLog(app.quiet, each=as_json) as log:
        for result in exchange.import_files(store, files, read, judge_again(store, config), split):
            log.add(result)
    if not as_json:
        log.print_outcomes()
    if unread := log.unread(files):
        raise click.ClickException("; ".join(unread))


@click.command("merge")
@click.argument("databases", nargs=-1, required=True, metavar="A.db B.db…", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON line.")
@click.pass_obj
def merge(app: App, databases: tuple[Path, ...], as_json: bool) -> None:
    """Merge databases.

    Merges into A.db, or into the database given with --db. The source databases are not changed. Order does not
    matter, and merging twice changes nothing. If two different measurements have the same id, both are kept and
    reported.
    """
    from results.compare.merge import merge as merged
    from results.db.store import Store
    from schedules.round.judge import judge_again
    from schedules.runtime import lock

    config = app.config()
    target = app.db if app.db is not None else databases[0]
    others = databases if app.db is not None else databases[1:]
    if not others:
        raise click.UsageError(_("nothing to merge: give at least one source database"))
    for path in others:
        if not path.is_file():
            raise click.ClickException(_("{path}: no such database").format(path=path))
    with (
        Store.open(target, must_exist=app.db is None) as store,
        lock.held(target),
        ImportLog(app.quiet, each=False) as log,
    ):
        for result in merged(store, others, judge_again(store, config)):
            log.add(result)
    if as_json:
        print_json({"into": str(target), **log.counts})


class ImportLog:
    """Reports the result of each line and counts them; prints a summary at the end, also after an error."""

    def __init__(self, quiet: bool, *, each: bool = True) -> None:
        self._quiet = quiet
        self._each = each
        self._counts: Counter[str] = Counter()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._tests: Counter[str] = Counter()
        self._read: set[Path | None] = set()
        self._broken: dict[Path, str] = {}

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of measurements added, already known, in conflict with another, and skipped."""
        names = {"added": "new", "known": "known", "conflicts": "conflict", "skipped": "skipped"}
        return {name: self._counts[counted] for name, counted in names.items()}

    def add(self, result: ImportedRecord | SkippedLine) -> None:
        from results.db.json_codec import row
        from results.export.exchange import ImportedRecord

        if isinstance(result, ImportedRecord):
            self._counts["new" if result.new else "known"] += 1
            if result.new and result.conflict is not None:
                self._counts["conflict"] += 1
                sentence = _("{id}: two different measurements have this id; kept both, the stored one as {other}")
                if result.moved is None:
                    sentence = _("{id}: two different measurements have this id; kept both, the new one as {other}")
                self._say(sentence.format(id=result.conflict, other=result.moved or result.finished.measurement.id))
            self._read.add(result.path)
            verdict = result.finished.verdict
            self._outcomes[verdict.outcome, verdict.method or ""] += 1
            if self._each:
                self._print(row(result.finished))
            return
        if result.test is not None:
            self._tests[result.test] += 1
            self._read.add(result.path)
            return
        if result.line == 0:
            self._broken[result.path] = result.why
            return
        self._counts["skipped"] += 1
        if self._counts["skipped"] <= MAX_SKIPPED_SHOWN:
            where = f"{result.path.name}:{result.line}"
            self._say(_("{where}: {why} (skipped)").format(where=where, why=result.why))

    def _print(self, row: dict[str, Any]) -> None:
        """Print one row; a reader that has gone away, as `head` does, does not stop an import."""
        try:
            print_json(row)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._each = False

    def print_outcomes(self) -> None:
        """One line for each outcome on stdout, with the methods of blocks."""
        for outcome, count in Counter(outcome for outcome, _method in self._outcomes.elements()).most_common():
            methods = Counter({method: n for (of, method), n in self._outcomes.items() if of == outcome and method})
            shown = "; ".join(f"{method_text(method)} {n}" for method, n in methods.most_common())
            click.echo(f"{outcome_text(outcome)}: {count}" + (f" ({shown})" if shown else ""))

    def unread(self, files: Iterable[Path]) -> list[str]:
        """A message for each file that is damaged, or in which nothing could be read."""
        nothing = _("{path}: no readable measurement")
        found = [self._broken.get(path) or nothing.format(path=path) for path in files]
        return [why for path, why in zip(files, found, strict=True) if path in self._broken or path not in self._read]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        new, known, skipped = (self._counts[name] for name in ("new", "known", "skipped"))
        if skipped > MAX_SKIPPED_SHOWN:
            more = skipped - MAX_SKIPPED_SHOWN
            self._say(ngettext("{count} more line skipped", "{count} more lines skipped", more).format(count=more))
        for test, count in self._tests.most_common():
            sentence = _("OONI's test {test}: {records} counted, but not judged")
            self._say(sentence.format(test=test, records=how_many(count, "record")))
        sentence = _("measurements added: {new}, already present: {known}; lines skipped: {skipped}")
        self._say(sentence.format(new=new, known=known, skipped=skipped))

    def _say(self, message: str) -> None:
        talk(safe(message), quiet=self._quiet)
