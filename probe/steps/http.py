"""One HTTP GET over the very stream that was connected, and handshaked where it is https."""

from __future__ import annotations

import hashlib
import re
import ssl
from typing import TYPE_CHECKING

from probe.failure import alert_of
from probe.model import Attempt, Http, Observation
from probe.net.deadline import Deadline
from probe.recorder import Log, StepContext
from probe.session import Settings
from probe.steps import MethodSpec, StepSpec
from probe.steps.tcp import PACKET_BYTES
from probe.target import authority

if TYPE_CHECKING:
    from probe.http.exchange import HttpRequest
    from probe.http.wire import HttpResponse
    from probe.net.streams import ByteStream

MAX_HEADERS = 200
MAX_HEADER_VALUE = 4096
TITLE = re.compile(rb"<title[^>]{0,200}>([^<]{0,1000})", re.IGNORECASE)
LOCATION = re.compile(rb"^Location:[ \t]{0,8}([^\s\x00]{1,4096})", re.IGNORECASE | re.MULTILINE)
"""Where an answer that is not HTTP says that it leads; it is not followed."""
CHARSET = re.compile(rb"charset\s{0,4}=\s{0,4}[\"']?([A-Za-z0-9_-]{1,40})", re.IGNORECASE)
TEXT_CODEC = re.compile(
    r"utf-?(?:8|16(?:-?[bl]e)?)|(?:us-)?ascii|latin-?\d|iso-?8859-?\d{1,2}|(?:windows|cp)-?\d{3,4}|koi8-?[rut]"
    r"|mac-?cyrillic|gb2312|gbk|gb18030|big5(?:-?hkscs)?|euc-?(?:jp|kr|cn)|shift-?jis|iso-?2022-?(?:jp|kr)|tis-?620",
    re.IGNORECASE,
)
"""A page names its codec, and Python's are not all of text: idna and undefined raise, others cost what they like."""
LOOKED_AT = 64 * 1024
ACCEPT = (
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate"),
)
REQUEST_BYTES, SEGMENT_BYTES = 700, 1400


def _traffic_bytes(detail: Http) -> int:
    received = max([0, detail.received or 0, *(count for _, count in detail.curve)])
    return REQUEST_BYTES + received + (received // SEGMENT_BYTES) * (PACKET_BYTES + PACKET_BYTES // 2)


SPEC = StepSpec(
    name="http",
    order=40,
    detail=Http,
    begins="stream",
    schemes={"https": 443, "http": 80},
    answer="complete",
    failures={
        "generic_timeout_error": "http.timeout",
        "connection_reset": "http.reset",
        "connection_aborted": "http.reset",
        "eof_error": "http.eof",
        "http_request_failed": "http.malformed",
    },
    methods=(
        MethodSpec("http.blockpage"),
        MethodSpec("http.timeout", by_name=True, is_silence=True),
        MethodSpec("http.reset", by_name=True),
        MethodSpec("http.eof", by_name=True),
        MethodSpec("http.malformed", by_name=True),
        MethodSpec("http.stall", is_silence=True),
    ),
    traffic_bytes=_traffic_bytes,
)


async def get(
    log: Log, about: StepContext, stream: ByteStream, url: str, request: HttpRequest, settings: Settings
) -> Observation:
    """Send `request` and read the answer up to the size cap; the stream is closed whatever comes."""
    from probe.http.exchange import exchange
    from probe.http.wire import HttpResponse
    from probe.net.streams import TlsStream

    pending = log.begin(SPEC, about)
    got = HttpResponse()
    error: BaseException | None = None
    try:
        async with Deadline(settings.exchange_timeout_s):
            await exchange(
                stream,
                request,
                got,
                http2=isinstance(stream, TlsStream) and stream.tls.selected_alpn_protocol() == "h2",
                idle_timeout_s=settings.timeout_s,
                max_body_bytes=settings.max_body_bytes,
            )
    except (OSError, TimeoutError, EOFError, ValueError) as caught:
        error = caught
        got.received += stream.undelivered if isinstance(stream, TlsStream) else 0
    finally:
        stream.close()
    alert = alert_of(error) if isinstance(error, ssl.SSLError) else None
    return pending.end(detail_of(url, got), error, code=alert)


def request_for(attempt: Attempt, settings: Settings) -> tuple[str, HttpRequest]:
    """The URL of an attempt, https where its scheme is no web page's, and the GET that a browser would send for it."""
    from probe.http.exchange import HttpRequest

    scheme = attempt.scheme if attempt.scheme in SPEC.schemes else "https"
    name, path = attempt.server_name or attempt.host, attempt.request_path or "/"
    host = authority(scheme, name, attempt.port)
    headers = (("User-Agent", settings.user_agent), *ACCEPT)
    return f"{scheme}://{host}{path}", HttpRequest(scheme=scheme, authority=host, path=path, headers=headers)


def detail_of(url: str, got: HttpResponse) -> Http:
    """The record of what an exchange got, whole or not."""
    from probe.http.exchange import REDIRECTS

    if got.status is None and not got.body:
        return Http(url=url, received=got.received, curve=got.whole_curve(), quirks=got.quirks)
    location = got.header("location") if got.status in REDIRECTS else None
    if got.status is None and (found := LOCATION.search(got.body[:LOOKED_AT])) is not None:
        location = found.group(1).decode("utf-8", "replace")
    return Http(
        url=url,
        status=got.status,
        version=got.version,
        headers=tuple((key[:MAX_HEADER_VALUE], value[:MAX_HEADER_VALUE]) for key, value in got.headers[:MAX_HEADERS]),
        location=location[:MAX_HEADER_VALUE] if location is not None else None,
        body=got.body,
        body_sha256=hashlib.sha256(got.body).hexdigest(),
        length=len(got.body),
        truncated=got.truncated,
        title=title_of(got.body, got.header("content-type") or ""),
        received=got.received,
        curve=got.whole_curve(),
        quirks=got.quirks,
    )


def title_of(body: bytes, content_type: str) -> str | None:
    """The page's title in its own character set, white space folded, printable; None where there is none."""
    import html

    found = TITLE.search(body[:LOOKED_AT])
    if found is None:
        return None
    text = decode(found.group(1), body, content_type)
    folded = " ".join(html.unescape(text).split())
    return "".join(c for c in folded if c.isprintable())[:300] or None


def decode(text: bytes, body: bytes, content_type: str) -> str:
    """Bytes of a page as text: by the header's charset, the page's own, else UTF-8; what is not valid is replaced."""
    declared = CHARSET.search(content_type.encode("latin-1", "replace")) or CHARSET.search(body[:2048])
    codec = declared.group(1).decode().replace("_", "-") if declared else "utf-8"
    try:
        return text.decode(codec if TEXT_CODEC.fullmatch(codec) else "utf-8", errors="replace")
    except LookupError:
        return text.decode("utf-8", errors="replace")
