"""Which page of a name to ask for besides the target's own, what gives reason to, and where HTTP/3 is offered."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import urljoin, urlsplit

from probe.model import Http, Observation
from results.fingerprints import match
from results.fingerprints.page_text import page_texts

ERRORS = 400
SHORT = 8_192
MAX_FILES = 8
H3 = re.compile(r'(?:^|[,\s])h3="?:(\d{1,5})"?')
"""HTTP/3 on the same host, in Alt-Svc; an alternative on another host is another target."""
FILE_PATH = re.compile(r"/[A-Za-z0-9._~/%+@:-]{1,512}")


def is_odd(answer: object) -> bool:
    """Whether an answer in the open is of the kind that a middlebox writes: short, or an error."""
    return isinstance(answer, Http) and ((answer.status or 0) >= ERRORS or (answer.length or 0) <= SHORT)


def is_block(answer: Observation) -> bool:
    """Whether an answer is a known block page."""
    return isinstance(answer.detail, Http) and any(found.is_block for found in match(answer.detail))


def other_path(path: str | None, measurement_id: str, answer: Observation) -> str:
    """A page of the same name that most likely says something else: a file that the page loads from its own site, the
    first page, or a made-up one, which is never asked for twice."""
    own = _own_file(answer.detail) if isinstance(answer.detail, Http) else None
    return own or ("/" if path not in (None, "/") else f"/{made_up(measurement_id)}")


def made_up(measurement_id: str) -> str:
    """A random word that no one else requests."""
    return hashlib.sha256(measurement_id.encode()).hexdigest()[:8]


def _own_file(answer: Http) -> str | None:
    """The path of the first picture, script or style sheet that a page in the open loads from its own host."""
    for place in [place for page in page_texts(answer)[:1] for place in page.loads][:MAX_FILES]:
        try:
            asked, found = urlsplit(answer.url), urlsplit(urljoin(answer.url, place.strip()))
        except ValueError:
            continue
        same = (found.scheme, found.netloc) == (asked.scheme, asked.netloc) and found.path != asked.path
        if same and FILE_PATH.fullmatch(found.path):
            return found.path
    return None


def h3_port(answer: Http) -> int | None:
    """The UDP port at which an answer offers HTTP/3 on its own host; None where it does not."""
    for name, value in answer.headers:
        if name.lower() == "alt-svc" and (found := H3.search(value)) is not None and 0 < int(found.group(1)) < 65536:
            return int(found.group(1))
    return None
