"""Sends messages by apprise. Its URLs hold passwords, so its own messages are masked and its logs suppressed."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from gettext import gettext as _
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from probe.net.address_policy import Gate
from probe.text import safe
from schedules.config.schema import Config
from schedules.notify.connection_guard import guarded

SHORTEST_SECRET = 4
MAX_REASON = 120
PARTS = re.compile(r"[:/@?&=#,;+\s]+")


class NotifyUrl(msgspec.Struct, frozen=True, kw_only=True):
    """One URL of a [[notify]] and its name; the URL is never printed. `gate`: what it and its redirects may lead to."""

    name: str
    url: str
    gate: Gate = Gate()

    def __repr__(self) -> str:
        return f"Address({self.name!r})"


class Message(msgspec.Struct, frozen=True):
    title: str
    body: str


def missing() -> str:
    """How to install the library."""
    return _("notifications need an extra: pip install 'reachprobe[notify]'")


def _bad_url() -> str:
    return _("unknown service or malformed URL")


def notify_urls(config: Config) -> dict[str, NotifyUrl]:
    """Every URL of every [[notify]] by its name; the second of a table is `name 2`."""
    found = {}
    for table in config.notify:
        for place, url in enumerate(table.urls):
            name = table.name + (f" {place + 1}" if place else "")
            found[name] = NotifyUrl(name=name, url=url, gate=config.network.gate)
    return found


def send(address: NotifyUrl, message: Message) -> str | None:
    """Send a message and wait. None if it was accepted, else why not, without a secret."""
    try:
        apprise = _apprise()
    except ImportError:
        return missing()
    with _warnings() as warnings, guarded(address.gate, [host for host, _ in hosts(address)]) as guard:
        try:
            service = apprise.Apprise.instantiate(address.url, suppress_exceptions=False)
            if service is None:
                return _bad_url()
            taken = service.notify(title=message.title, body=message.body, body_format=apprise.NotifyFormat.TEXT)
        except TypeError:
            return _bad_url()
        except Exception as error:  # plugins may raise anything
            return type(error).__name__
    if taken:
        return None
    if guard.refused:
        return _("it points to a private address; [network] private_hosts can allow that")
    return masked(warnings[-1], address.url) if warnings else _("it was not accepted")


def hosts(address: NotifyUrl) -> tuple[tuple[str, int | None], ...]:
    """The hosts a message would be sent to, as far as known without asking; () for an unknown service."""
    try:
        service = _apprise().Apprise.instantiate(address.url)
    except ImportError:
        service = None
    if service is None:
        return ()
    # Only plugins with a host in their template have one in the URL; in others it is a token.
    named = getattr(service, "smtp_host", None) or (service.host if "host" in service.template_tokens else None)
    if named:
        return ((str(named), service.port),)
    written = (getattr(type(service), name, None) for name in dir(type(service)) if name not in ABOUT_PAGES)
    known = [url.hostname for text in written if isinstance(text, str) and (url := _http(text)) is not None]
    return tuple((host, 443) for host in sorted(set(filter(None, known))))


ABOUT_PAGES = ("service_url", "setup_url")
"""Attributes with a service's web pages for people."""


def _http(text: str) -> Any:
    try:
        return urlsplit(text) if text.startswith(("http://", "https://")) and "{" not in text.split("/")[2] else None
    except ValueError:
        return None


def masked(text: str, url: str) -> str:
    """A message of apprise in one short line, with every part of the URL after its scheme masked."""
    for part in sorted(set(PARTS.split(url.partition("://")[2])), key=len, reverse=True):
        for secret in (part, unquote(part)):
            if len(secret) >= SHORTEST_SECRET:
                text = text.replace(secret, "****")
    return safe(text, MAX_REASON)


def problem_of(address: NotifyUrl) -> str | None:
    """What is wrong with the URL, without a secret; None if apprise can read it."""
    try:
        service = _apprise().Apprise.instantiate(address.url)
    except ImportError:
        return missing()
    return None if service is not None else _bad_url()


@cache
def _apprise() -> Any:
    """The library with its logging silenced; it is an extra, and slow to import.

    Its HTTP client obeys neither proxy variables nor ~/.netrc: both would send messages where no configuration says.
    """
    import apprise
    import requests

    for name in ("apprise", "urllib3"):
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
    setattr(requests.Session, "trust_env", property(lambda session: False, lambda session, value: None))  # noqa: B010
    return apprise


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collects the warnings of apprise in this thread."""
    warnings: list[str] = []
    thread = threading.get_ident()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                warnings.append(record.getMessage())

    logger, listener = logging.getLogger("apprise"), Listener(logging.WARNING)
    logger.addHandler(listener)
    try:
        yield warnings
    finally:
        logger.removeHandler(listener)
