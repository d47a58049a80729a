"""Messages by apprise, the only file that knows it: what it is given holds passwords, and nothing that it says of them
leaves here."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from probe.text import safe

if TYPE_CHECKING:
    from schedules.config.schema import Config

MISSING = "apprise is not installed, so nobody can be told; `pip install 'reachprobe[notify]'`"
SHORTEST_SECRET = 4
MAX_REASON = 120
PARTS = re.compile(r"[:/@?&=#,;+\s]+")


class NotifyUrl(msgspec.Struct, frozen=True, kw_only=True):
    """One URL of a [[notify]]: the name it is spoken of by, and the URL, which is printed nowhere."""

    name: str
    url: str

    def __repr__(self) -> str:
        return f"Address({self.name!r})"


class Message(msgspec.Struct, frozen=True):
    title: str
    body: str


def notify_urls(config: Config) -> dict[str, NotifyUrl]:
    """Every URL of every [[notify]] by its name; the second of one is `name 2`."""
    found = {}
    for table in config.notify:
        for place, url in enumerate(table.urls):
            name = table.name + (f" {place + 1}" if place else "")
            found[name] = NotifyUrl(name=name, url=url)
    return found


def send(address: NotifyUrl, message: Message) -> str | None:
    """Send it, now, for as long as that takes. None where it was taken; else why not, without a secret."""
    try:
        apprise = _apprise()
    except ImportError:
        return MISSING
    with _said() as said:
        try:
            service = apprise.Apprise.instantiate(address.url, suppress_exceptions=False)
            if service is None:
                return "apprise knows no such service, or the URL is not as it should be"
            taken = service.notify(title=message.title, body=message.body, body_format=apprise.NotifyFormat.TEXT)
        except TypeError:
            return "apprise knows no such service, or the URL is not as it should be"
        except Exception as error:  # whatever a plugin raises is no reason to stop
            return type(error).__name__
    if taken:
        return None
    return masked(said[-1], address.url) if said else "it was not taken"


def hosts(address: NotifyUrl) -> tuple[tuple[str, int | None], ...]:
    """Where a message would be sent, as far as that can be known without asking; () where not even the service is."""
    try:
        service = _apprise().Apprise.instantiate(address.url)
    except ImportError:
        service = None
    if service is None:
        return ()
    # A plugin whose URL has a place for a host says so; in others that place holds a token.
    named = getattr(service, "smtp_host", None) or (service.host if "host" in service.template_tokens else None)
    if named:
        return ((str(named), service.port),)
    written = (getattr(type(service), name, None) for name in dir(type(service)) if name not in ABOUT)
    known = [url.hostname for text in written if isinstance(text, str) and (url := _http(text)) is not None]
    return tuple((host, 443) for host in sorted(set(filter(None, known))))


ABOUT = ("service_url", "setup_url")
"""A service's pages for people."""


def _http(text: str) -> Any:
    try:
        return urlsplit(text) if text.startswith(("http://", "https://")) and "{" not in text.split("/")[2] else None
    except ValueError:
        return None


def masked(text: str, url: str) -> str:
    """A sentence of apprise's without anything that stands in the URL behind its scheme, in one short line."""
    for part in sorted(set(PARTS.split(url.partition("://")[2])), key=len, reverse=True):
        for secret in (part, unquote(part)):
            if len(secret) >= SHORTEST_SECRET:
                text = text.replace(secret, "****")
    return safe(text, MAX_REASON)


def problem_of(address: NotifyUrl) -> str | None:
    """None where apprise can read the URL, else what is wrong, without a secret."""
    try:
        service = _apprise().Apprise.instantiate(address.url)
    except ImportError:
        return MISSING
    return None if service is not None else "apprise knows no such service, or the URL is not as it should be"


@cache
def _apprise() -> Any:
    """The library, with nothing of what it logs going anywhere. Imported late: it takes a tenth of a second."""
    import apprise

    for name in ("apprise", "urllib3"):
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
    return apprise


@contextmanager
def _said() -> Iterator[list[str]]:
    """What apprise warns of in this thread meanwhile."""
    said: list[str] = []
    thread = threading.get_ident()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                said.append(record.getMessage())

    logger, listener = logging.getLogger("apprise"), Listener(logging.WARNING)
    logger.addHandler(listener)
    try:
        yield said
    finally:
        logger.removeHandler(listener)
