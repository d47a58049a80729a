"""Pages: character sets, titles, texts, hints, fingerprints and likeness of whatever a server sends, bounded."""

from __future__ import annotations

import hashlib

from probe.model import Http
from probe.steps.http import title_of
from results import fingerprints
from results.fingerprints.hints import hint_in
from results.fingerprints.library import builtin_library
from results.fingerprints.page_text import MAX_ATTRIBUTE, MAX_LINKS, MAX_TEXT, page_texts, stranger
from results.i18n.translator import Translator
from results.judge import likeness
from tests.fuzz.targets import is_one_short_line

INSTRUMENT = ("probe.steps.http", "results.fingerprints", "results.judge.likeness")
HOST = "www.site.example"
TYPES = (
    "", "text/html", "text/html; charset=utf-8", "text/html; charset=windows-1251", "text/html; charset=gb18030",
    "text/html; charset=iso-2022-jp", "text/html; charset=utf-16", "text/html; charset=undefined", "image/png",
)  # fmt: skip
STATUSES = (200, 302, 403, 451, None)
PLAIN = Http(url=f"http://{HOST}/", status=200, body=b"<title>x</title> a page", length=23, body_sha256="0")
MAX_PLACES = 2 * MAX_LINKS + 64
MAX_SAID = 1000
ENGLISH = Translator("en")


def check(data: bytes) -> None:
    if len(data) < 2:
        return
    kind, status, body = TYPES[data[0] % len(TYPES)], STATUSES[data[1] % len(STATUSES)], data[2:]
    title = title_of(body, kind)
    assert title is None or (0 < len(title) <= 300 and title.isprintable())
    location = body[:100].decode("latin-1") if data[1] & 0x80 else None
    answer = Http(
        url=f"http://{HOST}/{'x' * (data[0] & 3)}",
        status=status,
        headers=(("Content-Type", kind),),
        location=location,
        body=body,
        body_sha256=hashlib.sha256(body).hexdigest(),
        length=len(body),
        title=title,
    )
    for page in page_texts(answer):
        assert len(page.text) <= MAX_TEXT
        assert len(page.title) <= MAX_ATTRIBUTE
        assert len(page.places) <= MAX_PLACES
        for place in page.places:
            assert stranger(place, HOST) != ""
    hint = hint_in(answer)
    assert hint is None or (0 < len(ENGLISH.phrase(hint.says)) <= MAX_SAID)
    matches = (*fingerprints.match(answer), *builtin_library().match(answer, "RU"))
    assert all(is_one_short_line(ENGLISH.phrase(match.tells)) for match in matches), matches
    _are_likened(answer)


def _are_likened(answer: Http) -> None:
    """What two answers have in common does not depend on which is named first, and each is its own like."""
    assert likeness.alike(answer, answer)
    assert likeness.same_page(answer, answer)
    assert not likeness.differs_in_kind(answer, answer)
    for symmetric in (likeness.similar_length, likeness.same_page, likeness.other_machine):
        assert symmetric(answer, PLAIN) == symmetric(PLAIN, answer)
    likeness.alike(answer, PLAIN)
    likeness.differs_wholly(answer, PLAIN)


_BAN = """<html><head><meta http-equiv="refresh" content="0; url=http://block.example/?x">
<title>Доступ ограничен</title><meta charset=windows-1251></head>
<body><iframe src='http://10.10.34.35/'></iframe><img alt="x" src=//a.example/l.png>
<script>location.href = "http://b.example/"</script><a href="/x">Доступ к сайту заблокирован по решению суда</a>"""
SEEDS = (
    b"\1\0<html><title>An ordinary page</title><body><a href=/a>a</a>" + b"word " * 20,
    b"\2\2" + _BAN.encode(),
    b"\3\2" + _BAN.encode("cp1251"),
    b"\0\3" + _BAN.encode("koi8-r"),
    b"\6\0" + _BAN.encode("utf-16"),
    b"\0\0" + "<title>访问被阻止</title>该网站已被封锁".encode("gb18030"),
    b"\0\0" + "<title>تم حجب الموقع</title>هذا الموقع محجوب".encode("cp1256"),
    b"\1\x81http://lawfilter.ertelecom.ru/?x",
    b"\1\0<title>&#1044;&amp;&#x110000;&lt;x</title><iframe src=http://[::1/>",
)
