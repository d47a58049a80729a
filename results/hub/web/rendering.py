"""Pages out of templates: every text escaped, one stylesheet of ours, no script, nothing from elsewhere."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from results.compare.record import DIRECT, bounded
from results.hub.web.params import Asked
from results.judge.step_text import safe
from results.report.csv import harmless
from results.report.phrases import AGREEMENT_SIGNS, SIGNS, SPLIT

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SHORT = 1400
"""Bytes that are not worth packing: they go in one packet."""
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
"""What the menu leads to."""


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("results.hub.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"signs": SIGNS, "agreement_signs": AGREEMENT_SIGNS, "split_sign": SPLIT, "direct": DIRECT}
    made.filters |= {"bounded": bounded, "safely": safe}
    return made


@cache
def style() -> tuple[str, str]:
    """The stylesheet, the report's and ours; and a mark that changes when it does."""
    report = (files("results.report") / "page.css").read_text("utf-8")
    text = report + (files("results.hub.web") / "page.css").read_text("utf-8")
    return text, hashlib.sha256(text.encode()).hexdigest()[:12]


def page(
    asked: Asked, template: str, status: int = 200, menu: Sequence[tuple[str, str]] = SECTIONS, **given: Any
) -> Response:
    """A page as HTML."""
    text = (
        _environment()
        .get_template(f"{template}.html")
        .render(asked=asked, words=asked.words, say=asked.words.say, menu=menu, style_mark=style()[1], **given)
    )
    headers = {
        "Content-Security-Policy": POLICY,
        "Content-Language": asked.language,
        "Vary": "Accept-Language, Accept-Encoding",
    }
    content = text.encode()
    if asked.takes_gzip and len(content) > SHORT:
        content = gzip.compress(content, 4)
        headers["Content-Encoding"] = "gzip"
    return Response(content, status, headers, "text/html; charset=utf-8")


def drawn(template: str, kind: str, **given: Any) -> Response:
    """XML that is no page: a feed, a badge."""
    return Response(_environment().get_template(template).render(**given), 200, None, kind)


def table(rows: Iterable[msgspec.Struct], kind: type[msgspec.Struct], name: str) -> Response:
    """Rows as CSV, as their fields are called; no text in it is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(kind.__struct_fields__)
    for row in rows:
        writer.writerow(map(harmless, msgspec.structs.astuple(row)))
    headers = {"Content-Disposition": f'attachment; filename="reachprobe-{name}.csv"'}
    return Response(out.getvalue(), 200, headers, "text/csv; charset=utf-8")
