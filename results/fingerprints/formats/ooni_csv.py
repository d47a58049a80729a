"""OONI's fingerprints_http.csv and fingerprints_dns.csv (github.com/ooni/blocking-fingerprints, Readme.md).

UTF-8, a header row, the columns of both files the same. A pattern may hold a whole page, so fields are long and span
lines. `scope` may be empty or a stray word; `injb` (a benign injection) is a false positive.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from gettext import gettext as _
from typing import cast, get_args

from results.fingerprints.fingerprint import Fingerprint, FingerprintError, MatchKind, Scope, country_named
from results.fingerprints.formats import FingerprintRow

NAME = "ooni-csv"
COLUMNS = "name,scope,other_names,location_found,pattern_type,pattern,confidence_no_fp,expected_countries"
SCOPES: dict[str, Scope] = {scope: scope for scope in get_args(Scope) if scope != "unknown"}
SCOPES |= {"injb": "fp", "prov": "unknown", "": "unknown"}
HOWS = get_args(MatchKind)
MAX_FIELD = 262_144
MAX_COUNTRIES = 300
MAX_NAME = 200


def recognises(head: str) -> bool:
    first = head.lstrip("\ufeff").partition("\n")[0].rstrip("\r")
    return set(first.split(",")) >= set(COLUMNS.split(","))


def read(name: str, text: str) -> Iterator[FingerprintRow]:
    with _long_fields():
        rows = csv.reader(io.StringIO(text, newline=""))
        try:
            header = next(rows)
            place = {column: header.index(column) for column in COLUMNS.split(",")}
            for row in rows:
                if len(row) != len(header):
                    yield _uneven(name, text, rows.line_num, row, header)
                    continue
                yield _row(rows.line_num, {column: row[at] for column, at in place.items()})
        except csv.Error as error:
            raise FingerprintError(
                _("{name}:{line}: {error}; download it again").format(name=name, line=rows.line_num, error=error)
            ) from error


def _uneven(name: str, text: str, line: int, row: list[str], header: list[str]) -> FingerprintRow:
    """A row with too few or too many fields; at the end of a list it means that the list is cut short."""
    if len(row) < len(header) and not text.endswith("\n") and line >= text.count("\n"):
        raise FingerprintError(
            _("{name}:{line}: the last row is truncated; download it again").format(name=name, line=line)
        )
    return FingerprintRow(line, problem=f"a wrong number of fields: {len(row)} instead of {len(header)}")


@contextmanager
def _long_fields() -> Iterator[None]:
    before = csv.field_size_limit(MAX_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _row(line: int, row: dict[str, str]) -> FingerprintRow:
    if row["scope"] not in SCOPES:
        return FingerprintRow(line, problem=f"unknown scope: {row['scope'][:40]!r}")
    if row["pattern_type"] not in HOWS:
        return FingerprintRow(line, problem=f"unknown pattern_type: {row['pattern_type'][:40]!r}")
    if not row["name"] or len(row["name"]) > MAX_NAME:
        return FingerprintRow(line, problem="a name that is empty or too long")
    # Rows that came from Censored Planet name their country in the name alone: cp.c_isp_ru_beeline.
    countries = tuple(code.strip() for code in row["expected_countries"].split(",") if code.strip())
    if len(countries) > MAX_COUNTRIES or not all(_is_country(code) for code in countries):
        return FingerprintRow(line, problem=f"expected_countries that are none: {row['expected_countries'][:40]!r}")
    sure = row["confidence_no_fp"].strip()
    scope = SCOPES[row["scope"]]
    if scope == "isp" and "_prod_" in row["other_names"]:
        # Filters that one chooses oneself, such as ooni.ru_84, which Citizen Lab has as dns_prod_skydns_1.
        scope = "prod"
    return FingerprintRow(
        line,
        (
            Fingerprint(
                name=row["name"],
                scope=scope,
                where=row["location_found"],
                how=cast(MatchKind, row["pattern_type"]),
                pattern=row["pattern"],
                countries=countries or country_named(row["name"].removeprefix("cp."), scope),
                sure=min(int(sure), 10) if sure.isascii() and sure.isdigit() and len(sure) < 4 else 5,
            ),
        ),
    )


def _is_country(code: str) -> bool:
    return len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()
