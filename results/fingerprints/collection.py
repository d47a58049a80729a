"""An operator's collection of published fingerprints: made from lists, stored in one file next to the database."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from gettext import gettext as _
from pathlib import Path

import msgspec

from probe.text import system_reason
from probe.timestamps import rfc3339
from results.fingerprints.fingerprint import BadPattern, Fingerprint, FingerprintError, NoRegexpEngine, checked
from results.fingerprints.formats import FingerprintFormat, formats
from results.fingerprints.library import Library, builtin_library
from results.registers.records import RowProblem

OONI = "https://raw.githubusercontent.com/ooni/blocking-fingerprints/main"
CENSORED_PLANET = (
    "https://raw.githubusercontent.com/censoredplanet/censoredplanet-analysis/master/pipeline/metadata/data"
)
PUBLISHED = (
    f"{OONI}/fingerprints_http.csv",
    f"{OONI}/fingerprints_dns.csv",
    f"{CENSORED_PLANET}/blockpage_signatures.json",
    f"{CENSORED_PLANET}/false_positive_signatures.json",
)
"""The lists that OONI and Censored Planet publish."""
MAX_SOURCES = 16
MAX_SOURCE_BYTES = 16 * 1024 * 1024
MAX_ROWS = 50_000
"""Rows of one list."""
MAX_PRINTS = 20_000
MAX_REGEXPS = 500
"""Each is tried alone, so there may not be many."""
MAX_STORED_BYTES = 128 * 1024 * 1024
MAX_PROBLEMS = 100
VERSION = 1


class ListCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one list: `rows = kept + skipped`; several rows may give the same print."""

    source: str
    format: str
    false_positives: int
    rows: int
    kept: int
    skipped: int
    sha256: str
    """Of the file."""
    reasons: dict[str, int] = {}


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the file."""

    version: int = VERSION
    updated: str
    """UTC, RFC 3339."""
    sources: tuple[ListCounts, ...]
    prints: tuple[Fingerprint, ...]


class CollectionReport(msgspec.Struct, frozen=True):
    """A collection, and the rows of its lists that were skipped."""

    collection: Collection
    problems: tuple[RowProblem, ...]


def place(database: Path) -> Path:
    """Where a database's collection is kept."""
    return database.with_name(database.name + ".fingerprints")


def gather(lists: Sequence[tuple[str, Path]], now: datetime) -> CollectionReport:
    """Read lists, given as name and file. FingerprintError where one of them cannot be believed."""
    if not lists:
        raise FingerprintError(_("no list of fingerprints; name files or URLs, or set [fingerprints] sources"))
    if len(lists) > MAX_SOURCES:
        raise FingerprintError(
            _("{count} lists of fingerprints; the limit is {limit}").format(count=len(lists), limit=MAX_SOURCES)
        )
    prints: dict[tuple[str, str, str, str], Fingerprint] = {}
    problems: list[RowProblem] = []
    counts = tuple(_take(name, _content(name, path), prints, problems) for name, path in lists)
    if len(prints) > MAX_PRINTS:
        raise FingerprintError(
            _("{count} fingerprints; the limit is {limit}; omit a list").format(count=len(prints), limit=MAX_PRINTS)
        )
    if sum(fingerprint.how == "regexp" for fingerprint in prints.values()) > MAX_REGEXPS:
        raise FingerprintError(_("more than {limit} regular expressions; omit a list").format(limit=MAX_REGEXPS))
    updated = rfc3339(now, "seconds")
    return CollectionReport(Collection(updated=updated, sources=counts, prints=tuple(prints.values())), tuple(problems))


def store(collection: Collection, path: Path) -> None:
    """Write the collection to `path` atomically. Raises FingerprintError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    except OSError as error:
        raise FingerprintError(
            _("{path}: {reason}; choose another place with --db").format(path=path, reason=system_reason(error))
        ) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(collection))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise FingerprintError(
            _("{path}: {reason}; the previous collection was kept").format(path=path, reason=system_reason(error))
        ) from error


def load(path: Path) -> Collection | None:
    """The collection at `path`; None where there is none."""
    again = _("run `reachprobe fingerprints update` again, or delete it")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_STORED_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FingerprintError(f"{path}: {error.strerror}; {again}") from error
    try:
        found = msgspec.json.decode(data, type=Collection)
        found = msgspec.structs.replace(found, prints=tuple(filter(_is_usable, found.prints)))
    except (msgspec.DecodeError, RecursionError, BadPattern) as error:
        raise FingerprintError(
            _("{path} is damaged ({error}); {again}").format(path=path, error=error, again=again)
        ) from error
    if found.version != VERSION:
        raise FingerprintError(
            _("{path} was written by another version of reachprobe; {again}").format(path=path, again=again)
        )
    return found


def _is_usable(given: Fingerprint) -> bool:
    """Whether it can be matched on this machine. BadPattern where it can be on none."""
    try:
        checked(given)
    except NoRegexpEngine:
        return False
    return True


def library_of(database: Path) -> Library:
    """The built-in set with the collection stored next to this database, if there is one."""
    collection = load(place(database))
    return Library(collection.prints) if collection is not None else builtin_library()


def _content(name: str, path: Path) -> tuple[str, str]:
    """A list's text and the SHA-256 of its bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SOURCE_BYTES + 1)
    except OSError as error:
        raise FingerprintError(f"{name}: {error.strerror}") from error
    if len(data) > MAX_SOURCE_BYTES:
        raise FingerprintError(
            _("{name}: more than {limit} bytes; not a list of fingerprints").format(name=name, limit=MAX_SOURCE_BYTES)
        )
    try:
        return data.decode("utf-8-sig"), hashlib.sha256(data).hexdigest()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FingerprintError(
            _("{name}:{line}: not UTF-8; is it a list of fingerprints?").format(name=name, line=line)
        ) from error


def _take(
    name: str,
    content: tuple[str, str],
    prints: dict[tuple[str, str, str, str], Fingerprint],
    problems: list[RowProblem],
) -> ListCounts:
    text, sha256 = content
    format_ = _format(name, text)
    rows = kept = false_positives = 0
    reasons: Counter[str] = Counter()
    for row in format_.read(name, text):
        rows += 1
        if rows > MAX_ROWS:
            raise FingerprintError(
                _("{name}: more than {limit} rows; not a list of fingerprints").format(name=name, limit=MAX_ROWS)
            )
        try:
            if row.problem is not None:
                raise BadPattern(row.problem)
            found = tuple(map(checked, row.prints))
        except BadPattern as error:
            reasons[str(error).partition(":")[0]] += 1
            if len(problems) < MAX_PROBLEMS:
                problems.append(RowProblem(name, row.line, str(error)))
            continue
        kept += 1
        false_positives += any(fingerprint.scope == "fp" for fingerprint in found)
        for fingerprint in found:
            key = (fingerprint.where, fingerprint.how, fingerprint.pattern, fingerprint.scope)
            prints.setdefault(key, fingerprint)
    if not kept:
        raise FingerprintError(
            _("{name}: none of {rows} rows could be read; is the format {format}?").format(
                name=name, rows=rows, format=format_.NAME
            )
        )
    return ListCounts(
        source=name,
        format=format_.NAME,
        false_positives=false_positives,
        rows=rows,
        kept=kept,
        skipped=rows - kept,
        sha256=sha256,
        reasons=dict(reasons.most_common()),
    )


def _format(name: str, text: str) -> FingerprintFormat:
    head = text[:4_096]
    fitting = [format_ for format_ in formats() if format_.recognises(head)]
    if len(fitting) != 1:
        known = ", ".join(format_.NAME for format_ in formats())
        raise FingerprintError(_("{name}: not a known format of fingerprints ({known})").format(name=name, known=known))
    return fitting[0]
