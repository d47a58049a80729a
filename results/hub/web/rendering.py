"""Renders pages, XML and CSV: every text escaped, one stylesheet, no script, nothing from other sites."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from probe.text import bounded, safe
from results.compare.record import DIRECT
from results.hub.web.params import PageQuery
from results.i18n.signs import AGREEMENT_SIGNS, OUTCOME_SIGNS, SPLIT
from results.report.csv import harmless

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
MIN_GZIP_BYTES = 1400
"""Less fits in one packet."""
SECTIONS = (
    ("matrix", "/"),
    ("changes", "/changes"),
    ("listed", "/listed"),
    ("unlisted", "/unlisted"),
    ("collateral", "/collateral"),
    ("vantages", "/vantages"),
    ("silent", "/silent"),
    ("corrections", "/corrections"),
)
"""The menu."""


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("results.hub.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"signs": OUTCOME_SIGNS, "agreement_signs": AGREEMENT_SIGNS, "split_sign": SPLIT, "direct": DIRECT}
    made.filters |= {"bounded": bounded, "safely": safe}
    return made


@cache
def style() -> tuple[str, str]:
    """The stylesheet, and its hash."""
    report = (files("results.report") / "page.css").read_text("utf-8")
    text = report + (files("results.hub.web") / "page.css").read_text("utf-8")
    return text, hashlib.sha256(text.encode()).hexdigest()[:12]


def page(query: PageQuery, template: str, status: int = 200, **values: Any) -> Response:
    """A page as HTML."""
    text = (
        _environment()
        .get_template(f"{template}.html")
        .render(query=query, words=query.words, say=query.words.say, menu=SECTIONS, style_mark=style()[1], **values)
    )
    headers = {
        "Content-Security-Policy": POLICY,
        "Content-Language": query.language,
        "Vary": "Accept-Language, Accept-Encoding",
    }
    content = text.encode()
    if query.takes_gzip and len(content) > MIN_GZIP_BYTES:
        content = gzip.compress(content, 4)
        headers["Content-Encoding"] = "gzip"
    return Response(content, status, headers, "text/html; charset=utf-8")


def xml(template: str, media_type: str, **values: Any) -> Response:
    """A feed, a badge, the icon."""
    return Response(_environment().get_template(template).render(**values), 200, None, media_type)


def table(rows: Iterable[msgspec.Struct], row_type: type[msgspec.Struct], name: str) -> Response:
    """Rows as CSV; no text is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(row_type.__struct_fields__)
    for row in rows:
        writer.writerow(map(harmless, msgspec.structs.astuple(row)))
    headers = {"Content-Disposition": f'attachment; filename="reachprobe-{name}.csv"'}
    return Response(out.getvalue(), 200, headers, "text/csv; charset=utf-8")
