"""The words evidence is told in: what a step was and how it failed, for a person."""

from __future__ import annotations

from probe.model import Http, Observation

HOW = {
    "dns.nxdomain": "says that the name does not exist",
    "dns.forged": "gives an address that cannot be right",
    "dns.empty": "gives no address",
    "dns.refused": "refuses to answer",
    "dns.servfail": "says that it failed",
    "dns.timeout": "does not answer",
    "tcp.timeout": "the connect is not answered",
    "tcp.refused": "the connect is refused",
    "tcp.unreachable": "the address cannot be reached",
    "tls.timeout": "the handshake is not answered",
    "tls.reset": "the handshake is reset",
    "tls.eof": "the handshake is cut off",
    "tls.alert": "the handshake fails with an alert",
    "tls.mitm": "the certificate is not valid for the name",
    "http.timeout": "the request is not answered",
    "http.reset": "the connection is reset on the request",
    "http.eof": "the connection is closed before the answer's end",
    "quic.timeout": "the QUIC handshake is not answered",
    "quic.refused": "QUIC is refused",
    "quic.reset": "the QUIC handshake is ended by the other side",
    "http.stall": "the answer stands still before its end",
}

MAX_TEXT = 120


def clean(text: str) -> str:
    """Foreign text in one bounded line without control characters."""
    return "".join(c if c.isprintable() else " " for c in text[: 2 * MAX_TEXT])[:MAX_TEXT]


def place(observation: Observation) -> str:
    """Where a step went: its address and port, or the name where the path's far end resolved it."""
    where = observation.address or observation.host
    where = f"[{where}]" if ":" in where else where
    return clean(f"{where}:{observation.port}" if observation.port else where)


def tells(observation: Observation, method: str | None) -> str:
    """One failed step in words, with its name, place and time."""
    how = HOW.get(method or "", f"it fails ({clean(observation.failure or 'no failure')})")
    if method is None and observation.failure == "generic_timeout_error" and observation.step == "http":
        how = "the answer kept coming, too slowly to end"
    name = clean(observation.host)
    if observation.step == "dns":
        return f"{name}: the resolver {clean(observation.detail.resolver)} {how} after {observation.duration_s:.2f} s"
    if isinstance(observation.detail, Http) and observation.detail.length is not None:
        how = f"{how} ({observation.detail.received or observation.detail.length} bytes came)"
    return f"{name} at {place(observation)}: {how} after {observation.duration_s:.2f} s"


def listed(things: tuple[str, ...], most: int = 3) -> str:
    """A few things, and how many more."""
    shown = ", ".join(clean(thing) for thing in things[:most])
    return f"{shown} and {len(things) - most} more" if len(things) > most else shown
