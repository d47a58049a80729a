"""Censored Planet's blockpage_signatures.json and false_positive_signatures.json (censoredplanet-analysis).

JSON lines, `{"fingerprint": NAME, "pattern": REGEXP}`, empty lines between. Both files look the same: which one is of
false positives, its name says. Names begin with the scope (`prod_`, `nat_ir_`, `isp_ru_`, `gen_`), in newer versions
behind a letter that orders them (`a_prod_`, `b_nat_`). Patterns are regular expressions matched with DOTALL; those of
older versions are written as plain text, without a backslash before their dots and question marks, and meant so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from gettext import gettext as _

import msgspec

from results.fingerprints.fingerprint import Fingerprint, FingerprintError, MatchKind, Scope, country_named, literal
from results.fingerprints.formats import FingerprintRow

NAME = "censoredplanet"
FALSE_POSITIVES = re.compile("false[_-]?positive", re.IGNORECASE)
SCOPES: dict[str, Scope] = {"nat": "nat", "isp": "isp", "prod": "prod", "prd": "prod", "corp": "inst", "gen": "vbw"}
HEADER = re.compile(r"(Location|Server): ?(?=\S)")
REGEXP = re.compile(r"\\|\.[*+]")
"""What only a regular expression has."""
MAX_LINE = 131_072


class Signature(msgspec.Struct, frozen=True):
    """A line of the file."""

    fingerprint: str
    pattern: str


DECODE = msgspec.json.Decoder(Signature).decode


def recognises(head: str) -> bool:
    first = head.lstrip("\ufeff\r\n\t ").partition("\n")[0]
    return first.startswith("{") and '"fingerprint"' in first and '"pattern"' in first


def read(name: str, text: str) -> Iterator[FingerprintRow]:
    false_positives = FALSE_POSITIVES.search(name) is not None
    lines = text.lstrip("\ufeff").split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if len(line) > MAX_LINE:
            yield FingerprintRow(number, problem=f"a line that is too long: {len(line)} characters, at most {MAX_LINE}")
            continue
        try:
            signature = DECODE(line)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            if number == len(lines):
                raise FingerprintError(
                    _("{name}:{number}: the last line is truncated; download it again").format(name=name, number=number)
                ) from error
            yield FingerprintRow(number, problem=f"no signature: {error}")
            continue
        if not 0 < len(signature.fingerprint) <= 200:
            yield FingerprintRow(number, problem="a name that is empty or too long")
            continue
        yield FingerprintRow(
            number, tuple(_prints(signature, "fp" if false_positives else _scope(signature.fingerprint)))
        )


def _scope(name: str) -> Scope:
    words = name.split("_")
    if len(words) > 1 and len(words[0]) == 1:
        words = words[1:]
    return SCOPES.get(words[0], "unknown")


def _prints(signature: Signature, scope: Scope) -> Iterator[Fingerprint]:
    """The print of a signature; of a link two, for it may stand in the page or be what a redirect leads to."""
    pattern = signature.pattern
    text = literal(pattern) if REGEXP.search(pattern) else pattern
    how: MatchKind = "regexp" if text is None else "contains"
    value = pattern if text is None else text
    name = "cp." + signature.fingerprint
    countries = country_named(signature.fingerprint, scope)
    header = HEADER.match(value)
    if header is not None:
        value = value[header.end() :]
        where = "header." + header[1].lower()
        yield Fingerprint(
            name=name,
            scope=scope,
            where=where,
            how=how if text is None else "prefix",
            pattern=value,
            countries=countries,
        )
        return
    yield Fingerprint(name=name, scope=scope, where="body", how=how, pattern=value, countries=countries)
    if text is not None and text.startswith(("http://", "https://")):
        yield Fingerprint(
            name=name, scope=scope, where="header.location", how="prefix", pattern=text, countries=countries
        )
