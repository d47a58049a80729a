"""The words evidence is told in: what a step was and how it failed, for a person."""

from __future__ import annotations

from probe.model import Http, Observation, Tls
from results.judge.failure_point import METHOD_SPECS

HOW = {name: method.says for name, method in METHOD_SPECS.items()}
CERTIFICATES = {
    "ssl_invalid_hostname": "the certificate is for another name",
    "ssl_unknown_authority": "the certificate is by nobody we trust",
}
EXPIRED, NOT_YET = 10, 9
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID."""
MAX_TEXT = 120


def clean(text: str) -> str:
    """Foreign text in one bounded line without control characters."""
    text = text[:MAX_TEXT]
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


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
    name, after = clean(observation.host), f"after {observation.duration_s:.2f} s"
    if observation.step == "dns":
        return f"{name}: {after} the resolver {clean(observation.detail.resolver)} {how}"
    if isinstance(observation.detail, Http) and observation.detail.length is not None:
        how = f"{how} ({observation.detail.received or observation.detail.length} bytes came)"
    if method == "tls.mitm":
        return f"{name} at {place(observation)}: {_certificate(observation)}"
    return f"{name} at {place(observation)}: {how} {after}"


def _certificate(observation: Observation) -> str:
    """What is wrong with a certificate: its dates and its name are different stories."""
    code = observation.detail.verify_code if isinstance(observation.detail, Tls) else None
    if code == EXPIRED:
        return "the certificate has expired"
    if code == NOT_YET:
        return "the certificate is not valid yet; is the clock right?"
    return CERTIFICATES.get(observation.failure or "", HOW["tls.mitm"])


def listed(things: tuple[str, ...], most: int = 3) -> str:
    """A few things, and how many more."""
    shown = ", ".join(clean(thing) for thing in things[:most])
    return f"{shown} and {len(things) - most} more" if len(things) > most else shown
