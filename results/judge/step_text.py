"""Steps, methods and failures in plain words; foreign text in them is one bounded line."""

from __future__ import annotations

from probe.model import Dns, Http, Observation, Svcb, Tls
from probe.steps import specs
from probe.text import replace_unprintable, safe
from results.judge.failure_point import METHOD_SPECS

ROLES = {"main": "", "elsewhere_innocent": "both", "other_page": "page", "made_up": "made-up"}
"""What a step's role is called where it is not called by its own name."""
FAILURES = {
    "generic_timeout_error": "no answer in time",
    "connection_refused": "refused",
    "connection_reset": "reset",
    "eof_error": "cut off",
    "host_unreachable": "host unreachable",
    "network_unreachable": "network unreachable",
    "dns_nxdomain_error": "no such name",
    "dns_no_answer": "no address in the answer",
    "dns_servfail_error": "the DNS server failed",
    "dns_refused_error": "the DNS server refused",
    "ssl_invalid_hostname": "a certificate for another name",
    "ssl_unknown_authority": "a certificate from an unknown authority",
    "ssl_invalid_certificate": "an invalid certificate",
    "ssl_failed_handshake": "the handshake failed",
    "http_request_failed": "the answer is not HTTP",
}
CERTIFICATES = {
    "ssl_invalid_hostname": "the certificate is for another name",
    "ssl_unknown_authority": "the certificate is by nobody we trust",
}
EXPIRED, NOT_YET = 10, 9
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID."""
MAX_EVIDENCE_TEXT = 120


def method_text(method: str) -> str:
    """A method of the closed list in a few words."""
    known = METHOD_SPECS.get(method)
    return known.short if known is not None else method


def request_text(observation: Observation) -> str:
    """What was asked, of whom."""
    detail = observation.detail
    if isinstance(detail, Dns):
        return f"{safe(observation.host)} {safe(detail.query_type)} at {safe(detail.resolver)}"
    if isinstance(detail, Svcb):
        return f"{safe(observation.host)} HTTPS at {safe(detail.resolver)}"
    if isinstance(detail, Http):
        return safe(detail.url)
    where_to = f"{safe(observation.address or observation.host)} port {observation.port}"
    name = getattr(detail, "server_name", None)
    return f"{where_to} for {safe(name)}" if name else where_to


def result_text(observation: Observation) -> str:
    """The result of a step."""
    if observation.failure is None:
        return _success_text(observation)
    failure = FAILURES.get(observation.failure) or safe(observation.failure)
    code = f" [{safe(observation.failure)}"
    code += f" {observation.error_code}]" if observation.error_code is not None else "]"
    return f"{failure}{code}"


def _success_text(observation: Observation) -> str:
    detail = observation.detail
    if isinstance(detail, Dns):
        return safe(", ".join(answer.value for answer in detail.answers)) or "no records"
    if isinstance(detail, Svcb):
        ech = [f"ECH under {detail.ech_public_name}"] if detail.ech_public_name else []
        return safe(", ".join([*detail.alpn, *ech])) or "no record"
    if isinstance(detail, Tls):
        valid = {0: "valid", None: "not verified"}.get(detail.verify_code, f"invalid ({detail.verify_code})")
        return f"{safe(detail.version or '')} {safe(detail.alpn or '')} certificate {valid}".replace("  ", " ")
    if isinstance(detail, Http):
        parts = [f"{detail.status}", f"{detail.length} bytes" if detail.length is not None else None]
        parts += [f"“{safe(detail.title, 60)}”" if detail.title else None]
        parts += [f"leads to {safe(detail.location)}" if detail.location else None]
        return ", ".join(filter(None, parts))
    return specs()[observation.step].result


def clean(text: str) -> str:
    """Foreign text as part of a sentence: bounded, and without control characters."""
    text = text[:MAX_EVIDENCE_TEXT]
    return replace_unprintable(text, " ")


def place(observation: Observation) -> str:
    """Where a step went: its address and port, or the name where the path's far end resolved it."""
    where = observation.address or observation.host
    where = f"[{where}]" if ":" in where else where
    return clean(f"{where}:{observation.port}" if observation.port else where)


def failure_text(observation: Observation, method: str | None) -> str:
    """One failed step in words, with its name, place and time."""
    known = METHOD_SPECS.get(method or "")
    how = known.says if known is not None else f"it fails ({clean(observation.failure or 'no failure')})"
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
    return CERTIFICATES.get(observation.failure or "", METHOD_SPECS["tls.mitm"].says)


def listed(items: tuple[str, ...], most: int = 3) -> str:
    """The first items, and how many more there are."""
    shown = ", ".join(clean(item) for item in items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown
