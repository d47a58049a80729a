"""One step in plain words: what was done and what came back. Foreign text in them is one bounded line."""

from __future__ import annotations

import unicodedata
from functools import cache

from probe.model import Dns, Http, Observation, Svcb, Tls
from probe.steps import specs

ROLES = {"main": "", "elsewhere_innocent": "both", "other_page": "page"}
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
}
MAX_SHOWN = 500


def safe(text: str, limit: int = MAX_SHOWN) -> str:
    """One line without control, format or bidirectional characters, at most `limit` long: fit to be shown."""
    shown = "".join(c if unicodedata.category(c)[0] != "C" and c not in "\u2028\u2029" else "\ufffd" for c in text)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


@cache
def _method_texts() -> dict[str, str]:
    return {method.name: method.short for spec in specs().values() for method in spec.methods}


def method_text(method: str) -> str:
    """A method of the closed list in a few words."""
    return _method_texts().get(method, method)


def about(observation: Observation) -> str:
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


def told(observation: Observation) -> str:
    """What came of a step."""
    if observation.failure is None:
        return _came_back(observation)
    said = FAILURES.get(observation.failure) or safe(observation.failure)
    code = f" [{safe(observation.failure)}"
    code += f" {observation.error_code}]" if observation.error_code is not None else "]"
    return f"{said}{code}"


def _came_back(observation: Observation) -> str:
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
        said = [f"{detail.status}", f"{detail.length} bytes" if detail.length is not None else None]
        said += [f"“{safe(detail.title, 60)}”" if detail.title else None]
        said += [f"leads to {safe(detail.location)}" if detail.location else None]
        return ", ".join(filter(None, said))
    return specs()[observation.step].result
