"""How alike two HTTP answers are: as one page, as pages of one site, or as answers of one machine."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from probe.model import Http
from results.fingerprints import host_of, leads_to
from results.fingerprints.page_text import page_texts

COMMON_HEADERS = {"date", "content-type", "content-length", "connection", "transfer-encoding"}
"""Header fields that any server sends."""
USUAL_HEADERS = COMMON_HEADERS | {
    *("server", "cache-control", "vary", "set-cookie", "location", "expires", "pragma", "etag", "last-modified", "age"),
    *("accept-ranges", "content-encoding", "content-language", "keep-alive", "via", "link", "x-powered-by", "upgrade"),
    *("x-frame-options", "x-content-type-options", "x-xss-protection", "strict-transport-security", "referrer-policy"),
    *("content-security-policy", "p3p", "x-cache", "x-varnish", "alt-svc", "status", "warning"),
}
"""Header fields that many sites send: sharing one does not make two answers the same site's."""
MIN_SIMILAR_LENGTH = 0.7
"""The share of the longer body's length from which two bodies are similar (as in OONI's web_connectivity)."""
MIN_SAME_WORDS = 0.9
MIN_SAME_STRUCTURE = 0.3
MIN_STRUCTURE = 4
"""Names in a page's markup below which two pages' structure cannot be compared."""
LONG_WORD = 5
COMPARED_BYTES = 65_536
WORD = re.compile(rb"[0-9A-Za-z\x80-\xff]{2,64}")
NUMBER = re.compile(rb"[0-9A-Fa-f]*[0-9][0-9A-Fa-f]*")
NAMES = re.compile(rb"(?<![\w-])(?:id|class|name|property)\s{0,3}=\s{0,3}[\"']?([\w -]{1,200})", re.IGNORECASE)


def alike(ours: Http, theirs: Http) -> bool:
    """The same status, and the same body, title, or nearly the same length."""
    if ours.status != theirs.status:
        return False
    if (ours.body_sha256 and ours.body_sha256 == theirs.body_sha256) or (ours.title and ours.title == theirs.title):
        return True
    if ours.truncated and not ours.title:
        return _begins_alike(ours, theirs)
    return similar_length(ours, theirs) and bool(theirs.length) and not (ours.title and theirs.title)


def _begins_alike(ours: Http, theirs: Http) -> bool:
    """Whether an answer that was cut can be the beginning of the other: type and uncommon fields are equal."""
    one, other = ({(name.lower(), value) for name, value in answer.headers} for answer in (ours, theirs))
    uncommon = {name for name, _ in one if name not in COMMON_HEADERS}
    same = {name for name, _ in one & other}
    return bool(uncommon) and uncommon | {"content-type"} <= same and (ours.length or 0) <= (theirs.length or 0)


def similar_length(one: Http, other: Http) -> bool:
    short, long = sorted((one.length or 0, other.length or 0))
    return short > MIN_SIMILAR_LENGTH * long or short == long


def same_page(one: Http, other: Http) -> bool:
    """Whether two answers are one page, though it may name the time or what was asked for; or lead to one host."""
    if one.status != other.status:
        return False
    if one.location or other.location:
        return host_of(leads_to(one)) == host_of(leads_to(other))
    if one.body_sha256 == other.body_sha256:
        return True
    first, second = _words(one), _words(other)
    return len(first & second) >= MIN_SAME_WORDS * len(first | second)


def _words(answer: Http) -> frozenset[bytes]:
    """The words of a body, without numbers and what was asked for."""
    body = (answer.body or b"")[:COMPARED_BYTES]
    parts = urlsplit(answer.url)
    for asked in (answer.url, parts.netloc, parts.path):
        if len(asked) > 1:
            body = body.replace(asked.encode("utf-8", "replace"), b" ")
    return frozenset(word for word in WORD.findall(body) if not NUMBER.fullmatch(word))


def server(answer: Http) -> str | None:
    """What the server calls itself."""
    return answer.header("server")


def other_machine(one: Http, other: Http) -> bool:
    """Whether two answers from one address call themselves two servers, and share no header field of a site's own."""
    first, second = (_product(server(answer)) for answer in (one, other))
    return first != second and not _fields(one, USUAL_HEADERS) & _fields(other, USUAL_HEADERS)


def _product(server: str | None) -> str | None:
    return server.partition("/")[0].strip().lower() if server else None


def _fields(answer: Http, usual: set[str]) -> set[str]:
    return {name.lower() for name, _ in answer.headers} - usual


def differs_in_kind(ours: Http, theirs: Http) -> bool:
    """Whether title, markup and header fields differ, and the length where a title is missing: OONI's http-diff."""
    if alike(ours, theirs) or _titles_share_a_word(ours, theirs):
        return False
    if similar_length(ours, theirs) and not (ours.title and theirs.title):
        return False
    return not _fields(ours, USUAL_HEADERS) & _fields(theirs, USUAL_HEADERS) and not _same_structure(ours, theirs)


def differs_wholly(ours: Http, theirs: Http) -> bool:
    """The same, and length, server and most header fields differ too, as where another machine answered."""
    if not differs_in_kind(ours, theirs) or similar_length(ours, theirs) or server(ours) == server(theirs):
        return False
    one, other = (_fields(answer, COMMON_HEADERS) for answer in (ours, theirs))
    return bool(one | other) and len(one & other) * 2 <= len(one | other)


def _titles_share_a_word(one: Http, other: Http) -> bool:
    first, second = (
        {word for word in (answer.title or "").casefold().split() if len(word) >= LONG_WORD} for answer in (one, other)
    )
    return bool(first & second)


def _same_structure(one: Http, other: Http) -> bool:
    """Whether two pages share names in their markup or files, as one site's pages in two languages do."""
    first, second = _structure(one), _structure(other)
    if min(len(first), len(second)) < MIN_STRUCTURE:
        return False
    return len(first & second) >= MIN_SAME_STRUCTURE * min(len(first), len(second))


def _structure(answer: Http) -> frozenset[str]:
    body = (answer.body or b"")[:COMPARED_BYTES]
    names = {name.decode("latin-1").lower() for found in NAMES.findall(body) for name in found.split()}
    pages = page_texts(answer)
    files = {place.rpartition("?")[0] or place for place in pages[0].loads} if pages else set()
    return frozenset(names | files)
