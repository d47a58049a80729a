"""A page as a reader sees it: its text in the right character set, its links, and the host it only leads to."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec

from probe.model import Http
from probe.steps.http import CHARSET, TEXT_CODEC

READ_BYTES = 65_536
MAX_TEXT = 16_384
"""Characters of a page's text that are kept: what blocks says so at once."""
MAX_LINKS = 256
MAX_ATTRIBUTE = 300
LEGACY = (
    *("cp1251", "koi8-r", "cp866", "cp1256", "cp1254", "cp1253", "cp1255", "cp1250", "cp1257", "cp1258", "cp874"),
    *("gb18030", "big5", "euc-kr", "shift_jis", "euc-jp", "cp1252"),
)
"""What a page that is not UTF-8 may be written in; a wrong guess gives letters in no language's order."""
BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
SINGLE_BYTE = re.compile(r"(us-)?ascii|latin-?1|iso-?8859-?1|(windows|cp)-?1252", re.IGNORECASE)
"""Declared by servers as a default, whatever the page is written in."""
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,15}|!)([^<>]*)>")
ATTRIBUTE = re.compile(
    r"(?<![\w-])(alt|content|src|href|action|value)\s{0,3}=\s{0,3}"
    r"(\"[^\"]{0,2000}|'[^']{0,2000}|[^\s\"'>]{1,2000})",
    re.IGNORECASE,
)
SCRIPTED = re.compile(r"location(?:\.href|\.replace|\.assign)?\s{0,3}[=(]\s{0,3}[\"']([^\"'\s]{1,2000})", re.IGNORECASE)
REFRESH = re.compile(r"url\s{0,3}=\s{0,3}[\"']?([^\"'\s>]{1,2000})", re.IGNORECASE)
SILENT = ("script", "style", "template")
FRAMES = ("iframe", "frame", "embed", "object")
RESOURCES = ("img", "script", "link", "source")


class PageText(msgspec.Struct, frozen=True, kw_only=True):
    """What a page says. Text is in lower case, white space folded."""

    title: str
    text: str
    is_long: bool
    """Whether there was more text than is kept, or more of the page than is read."""
    links: int
    """Places that a reader can go to."""
    places: tuple[str, ...]
    """Every URL that it links to, frames, loads or forwards to, as written."""
    leads_to: tuple[str, ...] = ()
    """The URLs among them that it frames or forwards to."""
    loads: tuple[str, ...] = ()
    """The URLs among them of pictures, scripts and style sheets."""


@lru_cache(maxsize=64)
def _pages(body: bytes, content_type: str) -> tuple[PageText, ...]:
    return tuple(map(_page, _decoded(body[:READ_BYTES], content_type)))


def page_texts(answer: Http) -> tuple[PageText, ...]:
    """The answer's page in each reading of its bytes: one, unless nothing says which character set it is in."""
    return _pages(answer.body or b"", (answer.header("content-type") or "")[:MAX_ATTRIBUTE])


def _decoded(body: bytes, content_type: str) -> Iterator[str]:
    if b"\0" in body[2:1024] and body[:2] not in BYTE_ORDER_MARKS:
        return  # a picture, or another file without text
    if body[:2] in BYTE_ORDER_MARKS:
        yield body.decode("utf-16", "replace")
        return
    try:
        yield body.decode()
        return
    except UnicodeDecodeError as error:
        if error.start >= READ_BYTES - 4:
            yield body[: error.start].decode()
            return
    declared = CHARSET.search(content_type.encode("latin-1", "replace")) or CHARSET.search(body[:2048])
    codec = declared.group(1).decode().replace("_", "-") if declared else ""
    if codec and TEXT_CODEC.fullmatch(codec) and not SINGLE_BYTE.fullmatch(codec):
        try:
            yield body.decode(codec)
        except (LookupError, UnicodeDecodeError):
            pass  # it is written in something else
    for codec in LEGACY:
        yield body.decode(codec, "replace")


def _page(source: str) -> PageText:
    """One pass over the tags."""
    pieces: list[str] = []
    places: list[str] = []
    leads: list[str] = []
    loads: list[str] = []
    links = end = 0
    silent: str | None = None
    for tag in TAG.finditer(source):
        closing, name, rest = tag[1], tag[2].lower(), tag[3]
        between = source[end : tag.start()]
        end = tag.end()
        if silent is None:
            pieces.append(between)
        elif silent == "script" and len(leads) < MAX_LINKS:
            leads += [found[1] for found in SCRIPTED.finditer(between)]
        if silent is not None:
            silent = None if closing and name == silent else silent
            continue
        pieces.append(" ")
        if closing:
            continue
        silent = name if name in SILENT and not rest.endswith("/") else None
        links += name in ("a", "area")
        if "=" not in rest or len(places) >= MAX_LINKS:
            continue
        for given in ATTRIBUTE.finditer(rest):
            key, value = given[1].lower(), given[2].strip("\"'")
            if key in ("alt", "value"):
                pieces.append(f" {value[:MAX_ATTRIBUTE]} ")
            elif key != "content":
                places.append(value)
                leads += [value] if name in FRAMES else []
                loads += [value] if name in RESOURCES else []
            elif "refresh" in rest.lower() and (url := REFRESH.search(value)):
                leads.append(url[1])
            elif "description" in rest.lower():
                pieces.append(f" {value[:MAX_ATTRIBUTE]} ")
    pieces.append(source[end:] if silent is None else "")
    text = _folded("".join(pieces))
    return PageText(
        title=_title(source),
        text=text[:MAX_TEXT],
        is_long=len(text) > MAX_TEXT,
        links=links,
        places=tuple(dict.fromkeys(places + leads)),
        leads_to=tuple(dict.fromkeys(leads)),
        loads=tuple(dict.fromkeys(loads)),
    )


def _title(source: str) -> str:
    begin = source.lower().find("<title")
    if begin < 0:
        return ""
    start = source.find(">", begin) + 1
    end = source.find("<", start)
    return _folded(source[start : end if end >= 0 else start + MAX_ATTRIBUTE])[:MAX_ATTRIBUTE] if start else ""


def _folded(text: str) -> str:
    return " ".join(html.unescape(text).split()).lower()


def stranger(place: str, host: str) -> str | None:
    """The host a place names where it is not `host` nor a part of its site; None for one of its own."""
    try:
        named = (urlsplit(place.strip()).hostname or "").rstrip(".")
    except ValueError:
        return None
    if not named or named == host or named.endswith("." + host) or host.endswith("." + named):
        return None
    return named
