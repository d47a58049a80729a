"""Makes a measurement, its controls and its context out of a scenario file's short lines.

A line is one step: `dns 192.0.2.1 resolver=system`, `tcp ok`, `tls reset`, `http 200 title='A page' length=900`. It
goes to the address last named (`@192.0.2.1` names another). `goto URL` begins the next hop. See any file beside.
"""

from __future__ import annotations

import hashlib
import shlex
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from probe import target as targets
from probe.model import Answer, Dns, ExtendedError, Http, Measurement, Observation, Target, Tcp, Tls, Vantage
from probe.steps import specs
from probe.steps.quic import Quic
from probe.steps.resolver import ResolverAnswer
from results.fingerprints.fingerprint import Fingerprint, checked
from results.fingerprints.library import Library
from results.judge.verdict import Context

HERE = Path(__file__).parent
MADE_UP = "0123abcd.example.net"
STRANGE = {"made_up": MADE_UP, "listed": "listed.example"}
STARTED = "2026-11-24T12:00:00Z"

DNS = {
    "nxdomain": ("dns_nxdomain_error", 3),
    "refused": ("dns_refused_error", 5),
    "servfail": ("dns_servfail_error", 2),
    "empty": ("dns_no_answer", 0),
    "timeout": ("generic_timeout_error", None),
    "bogon": ("dns_bogon_error", 0),
}
WIRE = {
    "ok": None,
    "timeout": "generic_timeout_error",
    "reset": "connection_reset",
    "refused": "connection_refused",
    "unreachable": "host_unreachable",
    "no-route": "network_unreachable",
    "eof": "eof_error",
    "alert": "ssl_failed_handshake",
    "expired": "ssl_invalid_certificate",
    "wrong-name": "ssl_invalid_hostname",
    "unknown-issuer": "ssl_unknown_authority",
    "garbage": "http_request_failed",
    "unusable": "unknown_failure: ProxyUnusable: no answer from the proxy",
}
VERIFY = {"expired": 10, "wrong-name": 62, "unknown-issuer": 20}


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the verdict has to be. `never` names rules that come close here and must not apply."""

    outcome: str
    rules: tuple[str, ...]
    method: str | None = None
    trigger: str | None = None
    confidence: str | None = None
    never: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    """Words that the evidence must hold."""
    changed: str | None = None
    """Why this expectation is another than when it was first written."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One situation."""

    name: str
    says: str
    measurement: Measurement
    controls: tuple[Measurement, ...]
    context: Context
    expected: Expected
    library: Library
    """Our own fingerprints, and with them the file's [[print]] tables as an operator's collection."""


class Builder:
    """Turns lines into observations, keeping where the last one went."""

    def __init__(self, target: Target, innocent_name: str = "innocent.example") -> None:
        self.target = target
        self.innocent_name = innocent_name
        self.made: list[Observation] = []
        self.goto(target)

    def goto(self, target: Target) -> None:
        self.goal, self.address = target, target.host if target.host[0].isdigit() or ":" in target.host else None
        self.port = target.port

    def add(self, role: str, lines: list[str]) -> None:
        hop = 0
        self.goto(self.target)
        self.address = self.address or next((o.address for o in self.made if o.role == "main" and o.address), None)
        for line in lines:
            step, *words = shlex.split(line)
            if step == "goto":
                hop += 1
                self.goto(targets.parse(words[0], allow_private=True))
                continue
            if step == "hop":
                hop = int(words[0])
                self.goto(targets.parse(words[1], allow_private=True))
                continue
            self._step(role, hop, step, words)

    def _step(self, role: str, hop: int, step: str, words: list[str]) -> None:
        options = dict(word.split("=", 1) for word in words if "=" in word)
        plain = [word for word in words if "=" not in word]
        for word in [word for word in plain if word.startswith("@")]:
            plain.remove(word)
            self.address, _, port = word[1:].partition("#")
            self.port = int(port or self.port)
        result = plain[0] if plain else "ok"
        failure, detail = getattr(self, f"_{step}", partial(self._endpoint, step))(role, result, plain, options)
        if step == "dns":
            addresses = [word for word in plain if word[0].isdigit() or ":" in word]
            if addresses and failure is None and self.address is None:
                self.address = addresses[0]
        number = len(self.made)
        self.made.append(
            Observation(
                id=f"o{number}",
                step=step,
                role=role,  # type: ignore[arg-type]
                hop=hop,
                started_at=STARTED,
                offset_s=number / 10,
                duration_s=float(options.get("took", "0.05")),
                host=self.innocent_name if (step, role) == ("dns", "innocent") else self.goal.host,
                address=None if step == "dns" else self.address,
                port=None if step == "dns" else self.port,
                failure=failure,
                error_code=int(options["code"]) if "code" in options else None,
                detail=detail,
            )
        )

    def _dns(self, role: str, result: str, plain: list[str], options: dict[str, str]) -> tuple[str | None, Any]:
        failure, rcode = DNS.get(result, (None, 0))
        addresses = plain[1:] if result in DNS else plain
        usual = {"trusted": "https://dns.example/dns-query", "system": "getaddrinfo"}.get(role, "system")
        resolver = options.get("resolver", usual)
        ttl = int(options.get("ttl", 300))
        answers = tuple(Answer(type="AAAA" if ":" in a else "A", value=a, ttl=ttl) for a in addresses)
        if "cname" in options:
            answers = (Answer(type="CNAME", value=options["cname"], ttl=300), *answers)
        kind = "AAAA" if addresses and all(":" in a for a in addresses) else "A"
        asked = options.get("type", kind)
        errors = tuple(ExtendedError(code=int(code)) for code in options.get("ede", "").split(",") if code)
        found = Dns(resolver=resolver, query_type=asked, rcode=rcode, answers=answers, extended_errors=errors)
        chosen = options.get("filter")
        return failure, msgspec.structs.replace(found, sendings=int(options.get("sent", 1)), filter=chosen)

    def _tcp(self, role: str, result: str, plain: list[str], options: dict[str, str]) -> tuple[str | None, Any]:
        family = None if self.address is None else "ipv6" if ":" in self.address else "ipv4"
        return WIRE[result], Tcp(family=family)  # type: ignore[arg-type]

    def _endpoint(
        self, step: str, role: str, result: str, plain: list[str], options: dict[str, str]
    ) -> tuple[str | None, Any]:
        return WIRE[result], specs()[step].detail(family="ipv6" if ":" in (self.address or "") else "ipv4")

    def _udp(self, role: str, result: str, plain: list[str], options: dict[str, str]) -> tuple[str | None, Any]:
        failure, rcode = DNS.get(result, (WIRE.get(result), None if WIRE.get(result) else 0))
        name = self.innocent_name if role == "innocent" else (self.goal.request_path or "/").lstrip("/")
        second = options.get("second")
        other = DNS[second][1] if second in DNS else 0 if second else None
        return failure, ResolverAnswer(
            family="ipv6" if ":" in (self.address or "") else "ipv4",
            name=name,
            rcode=rcode,
            answers=tuple(Answer(type="A", value=a, ttl=300) for a in plain if a[0].isdigit()),
            identity=options.get("identity"),  # type: ignore[arg-type]
            second_rcode=other,
            second_answers=(Answer(type="A", value=second, ttl=300),) if second and second not in DNS else (),
        )

    _resolver = _udp

    def _tls(self, role: str, result: str, plain: list[str], options: dict[str, str]) -> tuple[str | None, Any]:
        presented = result == "ok" or result in VERIFY
        leaf = options.get("leaf", self.goal.host).encode()
        innocent = "innocent" in role or role in STRANGE
        strange = STRANGE.get(role, self.innocent_name)
        return WIRE[result], Tls(
            server_name=strange if innocent else self.goal.host,
            version="TLSv1.3" if result == "ok" else None,
            verify_code=VERIFY.get(result) if result in VERIFY else 0 if result == "ok" and not innocent else None,
            alert=int(options["alert"]) if "alert" in options else None,
            refused=options.get("refused"),
            lenient=True if "lenient" in plain else None,
            client_certificate=True if "asks" in plain else None,
            chain=(leaf,) if presented else (),
            fingerprint=hashlib.sha256(leaf).hexdigest() if presented else None,
        )

    def _quic(self, role: str, result: str, plain: list[str], options: dict[str, str]) -> tuple[str | None, Any]:
        failure, tls = self._tls(role, result, plain, options)
        verified = None if "innocent" in role or role == "made_up" or not tls.chain else result == "ok"
        return failure, Quic(
            server_name=tls.server_name, verified=verified, chain=tls.chain, fingerprint=tls.fingerprint
        )

    def _http(self, role: str, result: str, plain: list[str], options: dict[str, str]) -> tuple[str | None, Any]:
        scheme = self.goal.scheme
        host = {"innocent": self.innocent_name, "made_up": MADE_UP}.get(role, self.goal.host)
        path = "/another" if role == "other_page" else self.goal.request_path or "/"
        url = f"{scheme}://{targets.authority(scheme, host, self.port)}{path}"
        stopped = result in ("stall", "slow")
        cut = int(options["status"]) if "status" in options else None
        status = int(result) if result.isdigit() else 200 if stopped else cut
        failure = None if result.isdigit() else WIRE["timeout" if stopped else result]
        curve = [point.split(":") for point in options["curve"].split(",")] if "curve" in options else []
        if status is None and "body" not in options:
            return failure, Http(url=url, quirks=("HTTP/2 that our library refuses",) if "unreadable" in plain else ())
        encoding = options.get("charset", "utf-8")
        title = options.get("title")
        head = f"<title>{title}</title>" if title else ""
        body = (head + options.get("body", "an ordinary page")).encode(encoding)
        headers = [("Server", options.get("server", "nginx"))] if status and options.get("server") != "" else []
        if status:
            headers.append(("Content-Type", options.get("kind", f"text/html; charset={encoding}")))
        headers += [tuple(options["header"].split(": ", 1))] if "header" in options else []  # type: ignore[list-item]
        return failure, Http(
            url=url,
            status=status,
            version="HTTP/1.1" if status else None,
            headers=tuple(headers),
            location=options.get("to"),
            body=body,
            body_sha256=hashlib.sha256(body).hexdigest(),
            length=int(options.get("length", len(body))),
            truncated="cut" in plain,
            title=title,
            quirks=tuple(options["quirks"].split(",")) if "quirks" in options else (),
            curve=tuple((float(t), int(n)) for t, n in curve),
        )


ROLES = (
    "main",
    "late",
    "trusted",
    "system",
    "innocent",
    "again",
    "elsewhere_innocent",
    "elsewhere",
    "other_page",
    "made_up",
    "offered",
    "small_segments",
    "listed",
)


def measurement(data: dict[str, Any], target: Target, number: int) -> Measurement:
    """The measurement that a table of a scenario file describes; `number` 0 is the vantage's own."""
    builder = Builder(target)
    for role in ROLES:
        if role in data:
            builder.add(role, data[role])
    name = data.get("name", "home" if number == 0 else f"control{number}")
    country = data.get("country", "RU" if number == 0 else "NL")
    return Measurement(
        id=f"m{number}",
        target=target,
        vantage=Vantage(name=name, country=country or None, path=data.get("path", "direct" if number == 0 else name)),
        started_at=STARTED,
        runtime_s=1.0,
        observations=tuple(builder.made),
        control_of="m0" if number else None,
        internal_error=data.get("internal_error"),
    )


def load(path: Path) -> Scenario:
    """Read one scenario file."""
    data = tomllib.loads(path.read_text("utf-8"))
    target = targets.parse(data["target"], allow_private=True)
    context = {"country": "RU", **data.get("context", {})}
    return Scenario(
        name=path.stem,
        says=data["says"],
        measurement=measurement(data, target, 0),
        controls=tuple(measurement(one, target, n) for n, one in enumerate(data.get("control", []), 1)),
        context=msgspec.convert(context, Context),
        expected=msgspec.convert(data["expect"], Expected),
        library=Library(tuple(checked(msgspec.convert(one, Fingerprint)) for one in data.get("print", []))),
    )


def scenarios() -> list[Scenario]:
    """Every scenario, by name."""
    return [load(path) for path in sorted((HERE / "situations").glob("*.toml"))]
