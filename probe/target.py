"""Parses targets: a URL, a host, or scheme://host:port."""

from __future__ import annotations

import re
from gettext import gettext as _
from urllib.parse import SplitResult, quote, urlsplit

from probe.model import Target
from probe.net.address_policy import NUMBER, is_public, literal
from probe.steps import default_port, schemes

MAX_TEXT = 2048
LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
SAFE_IN_PATH = "/?:@!$&'()*+,;=-._~%[]|^`{}\\\""


class BadTarget(ValueError):
    """A target that cannot be measured; the message names it and the remedy."""


def parse(text: str, *, service: str | None = None, required: bool = True, allow_private: bool = False) -> Target:
    """Read `https://host/path`, `scheme://host:port` with one of `probe.steps.schemes()`, `host` or `host:port`.

    A bare host means https; `host:port` means tls, except ports 80 (http) and 443 (https). A resolver is
    `udp://`, `tcp://`, `dot://` or `doh://` with the name to ask for as its path, without which tcp only connects.
    Raises BadTarget for anything else, and for a literal of a private address unless `allow_private`.
    """
    if not text or len(text) > MAX_TEXT:
        raise BadTarget(
            _("a target must have 1 to {limit} characters; this one has {count}").format(
                limit=MAX_TEXT, count=len(text)
            )
        )
    if " " in text or not text.isprintable():  # any other space is not printable
        raise BadTarget(_("{text!r}: a target cannot contain spaces or control characters").format(text=text))
    try:
        parts = urlsplit(text if HAS_SCHEME.match(text) else "//" + text)
        port = parts.port
    except ValueError as error:
        raise BadTarget(_("{text!r} is not a URL: {error}").format(text=text, error=error)) from error
    scheme = parts.scheme or {None: "https", 443: "https", 80: "http"}.get(port, "tls")
    if scheme == "tcp" and parts.path.strip("/"):
        scheme = "dns-tcp"
    if scheme not in schemes():
        *others, last = schemes()
        raise BadTarget(
            _("{text!r}: cannot measure the scheme {scheme!r}; use {names} or {last}").format(
                text=text, scheme=scheme, names=", ".join(others), last=last
            )
        )
    if parts.username is not None or parts.password is not None:
        raise BadTarget(
            _("{text!r}: remove the user name and password: they would be sent unencrypted").format(text=text)
        )
    if "[" in parts.netloc and literal(parts.hostname or "") is None:
        raise BadTarget(_("{text!r}: not an IPv6 address in brackets").format(text=text))
    host = host_of(parts.hostname or "", text)
    if literal(host) and not allow_private and not is_public(host):
        raise BadTarget(
            _("{text!r}: {host} is not a public address; to measure it, set [network] allow_private = true").format(
                text=text, host=host
            )
        )
    port = port if port is not None else default_port(scheme)
    if not port:
        raise BadTarget(
            _("{text!r}: a {scheme} target needs a port, as in {scheme}://host:5222").format(text=text, scheme=scheme)
        )
    return Target(
        text=text,
        scheme=scheme,
        host=host,
        port=port,
        request_path=_request_path_of(scheme, parts, text),
        service=service,
        required=required,
    )


def host_of(host: str, text: str) -> str:
    """A host in A-labels (IDNA 2008, UTS 46), lower case, without a trailing dot; BadTarget names `text`."""
    address = literal(host)
    if address is not None:
        return str(address)
    name = host.rstrip(".").lower()
    if not name.isascii():
        import idna

        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError as error:
            raise BadTarget(_("{text!r}: not a host name: {error}").format(text=text, error=error)) from error
    labels = name.split(".")
    if len(name) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        raise BadTarget(_("{text!r}: {host!r} is not a host name").format(text=text, host=host))
    if NUMBER.fullmatch(labels[-1]):
        raise BadTarget(_("{text!r}: {host!r} is neither a host name nor an address").format(text=text, host=host))
    return name


def authority(scheme: str, host: str, port: int) -> str:
    """The Host header's value: the port only where it is not the scheme's own (RFC 9110 section 7.2)."""
    name = f"[{host}]" if ":" in host else host
    return name if default_port(scheme) == port else f"{name}:{port}"


def _request_path_of(scheme: str, parts: SplitResult, text: str) -> str | None:
    """Path and query of a URL, the name to ask of a resolver as `/name`, None for an endpoint."""
    if scheme in ("http", "https"):
        return _request_path(parts.path, parts.query)
    default = schemes()[scheme].default_name
    if default is None:
        return None
    name = host_of(parts.path.strip("/") or default, text)
    if literal(name) or parts.query:
        says = _("{text!r}: write a name to ask for behind the resolver, as in {scheme}://8.8.8.8/example.com")
        raise BadTarget(says.format(text=text, scheme=scheme))
    return f"/{name}"


def _request_path(path: str, query: str) -> str:
    return quote(path or "/", safe=SAFE_IN_PATH) + ("?" + quote(query, safe=SAFE_IN_PATH) if query else "")
