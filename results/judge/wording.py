"""Evidence, steps and failures: as phrases with bounded values, and as text in a reader's language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from probe.model import Dns, Http, Observation, Svcb, Tls
from probe.steps import specs
from probe.steps.resolver import ResolverAnswer
from probe.text import bounded, replace_unprintable, safe
from results.i18n.language import ENGLISH
from results.i18n.translator import MAX_SENTENCE, Phrase, Translator, Value, english
from results.judge.failure_point import METHOD_SPECS, STEPS
from results.judge.verdict import MAX_EVIDENCE, Evidence

FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}
WORDED_AS = {
    **{
        f"target.{spec.name}": "evidence.target"
        for spec in specs().values()
        if spec.answer == "responded" and spec.begins == "address"
    },
    **{f"fails.{name}": "signal.fails" for name in (*STEPS, *METHOD_SPECS)},
    **{
        f"page.{kind}": "evidence.page"
        for kind in ("block", "blockpage", "block_host", "hint", "vague", "false_positive")
    },
    **{f"family.{family}_{what}": f"evidence.family_{what}" for family in FAMILIES for what in ("fails", "name_fails")},
    "control.single": "signal.control.alone:there",
}
"""Signals without a sentence of their own, each with the key of the one that it shares."""
CERTIFICATES = ("ssl_invalid_hostname", "ssl_unknown_authority")
EXPIRED, NOT_YET = 10, 9
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID."""
MAX_EVIDENCE_TEXT = 120
MAX_LISTED = 3
SYSTEM = "system"


def evidence(key: str, /, **values: Value) -> Evidence:
    """A signal, `id` or `id:variant`, with its values cleaned and bounded."""
    signal, _, variant = key.partition(":")
    cleaned = {name: value if value.__class__ is int else _clean(value) for name, value in values.items()}
    return Evidence(signal, variant, cleaned)


def sentence_of(found: Evidence) -> Phrase:
    """What a piece of evidence says; the same for signals that say the same."""
    key = WORDED_AS.get(found.signal, f"signal.{found.signal}")
    return Phrase(f"{key}:{found.variant}" if found.variant else key, found.values)


def sentences(found: Iterable[Evidence | str], words: Translator | None = None) -> tuple[str, ...]:
    """The evidence in a language, by default English. Texts of older versions stay as they are."""
    words = words or _english()
    shown = tuple(found)[:MAX_EVIDENCE]
    said = (bounded(one, MAX_SENTENCE) if isinstance(one, str) else words.phrase(sentence_of(one)) for one in shown)
    return tuple(dict.fromkeys(said))


@cache
def _english() -> Translator:
    return Translator(ENGLISH)


def request_text(observation: Observation, words: Translator) -> str:
    """What was requested, and from where."""
    detail = observation.detail
    if isinstance(detail, (Dns, Svcb)):
        kind = detail.query_type if isinstance(detail, Dns) else "HTTPS"
        asked = words.say("evidence.own_resolver") if detail.resolver == SYSTEM else safe(detail.resolver)
        return words.say("request.dns", host=safe(observation.host), type=safe(kind), resolver=asked)
    if isinstance(detail, Http):
        return safe(detail.url)
    if isinstance(detail, ResolverAnswer):
        return words.say("request.dns", host=safe(detail.name or ""), type="A", resolver=place(observation))
    address, name = safe(observation.address or observation.host), getattr(detail, "server_name", None)
    if name:
        return words.say("request.name", address=address, port=str(observation.port), name=safe(name))
    return words.say("request.port", address=address, port=str(observation.port))


def result_text(observation: Observation, words: Translator) -> str:
    """The result of a step."""
    if observation.failure is None:
        return ", ".join(_success(observation, words))
    code = f"{observation.failure} {observation.error_code}" if observation.error_code else observation.failure
    return words.say("result.failure", failure=words.term("failure", observation.failure), code=safe(code))


def _success(observation: Observation, words: Translator) -> list[str]:
    detail = observation.detail
    if isinstance(detail, Dns | ResolverAnswer):
        return [safe(", ".join(answer.value for answer in detail.answers)) or words.say("result.no_records")]
    if isinstance(detail, Svcb):
        ech = [words.say("result.ech", name=detail.ech_public_name)] if detail.ech_public_name else []
        return [safe(", ".join([*detail.alpn, *ech])) or words.say("result.no_records")]
    if isinstance(detail, Tls):
        key = {0: "valid", None: "unverified"}.get(detail.verify_code, "invalid")
        spoken = " ".join(filter(None, (detail.version, detail.alpn)))
        return [*filter(None, [safe(spoken)]), words.say(f"result.{key}", code=detail.verify_code)]
    if isinstance(detail, Http):
        parts = [str(detail.status)]
        parts += [words.say("result.bytes", count=detail.length)] if detail.length is not None else []
        parts += [words.say("result.title", title=safe(detail.title, 60))] if detail.title else []
        return parts + ([words.say("result.location", url=safe(detail.location))] if detail.location else [])
    return [words.term("passed", observation.step)]


def _clean(value: Value) -> Value:
    if isinstance(value, str):
        return value if len(value) <= MAX_EVIDENCE_TEXT and value.isprintable() else clean(value)
    if isinstance(value, Phrase):
        return Phrase(value.phrase, {name: _clean(item) for name, item in value.values.items()})
    return [_clean(item) for item in value] if isinstance(value, list) else value  # type: ignore[misc]


def clean(text: str) -> str:
    """Foreign text as part of a sentence: bounded, and without control characters."""
    return replace_unprintable(text[:MAX_EVIDENCE_TEXT], " ")


def place(observation: Observation) -> str:
    """Where a step went: its address and port, or the name where the path's far end resolved it."""
    where = observation.address or observation.host
    where = f"[{where}]" if ":" in where else where
    return clean(f"{where}:{observation.port}" if observation.port else where)


def method(name: str | None) -> Phrase:
    """A method of the closed list."""
    return Phrase(f"method.{name}")


def word(table: str, name: str) -> Phrase | str:
    """A word of a table of the catalogue, such as `failure` or `quirk`; a name that has none as it is."""
    return Phrase(f"{table}.{name}") if f"{table}.{name}" in english() else name


def resolver_of(name: str) -> Phrase:
    """A resolver by its name; the network's own is called that."""
    return Phrase("evidence.own_resolver") if name == SYSTEM else Phrase("evidence.resolver", {"name": name})


def failed_step(observation: Observation, method: str | None) -> Phrase:
    """One failed step with its name, place and time."""
    detail, how = observation.detail, method or "other"
    values: dict[str, Value] = {"host": observation.host, "seconds": observation.duration_s}
    if observation.step == "dns":
        if method is None:
            how, values["failure"] = "dns", word("failure", observation.failure or "")
        return Phrase(f"failed.{how}", values | {"resolver": resolver_of(detail.resolver)})
    values["place"] = place(observation)
    if method == "tls.mitm":
        how = _certificate(observation)
    elif method is None:
        values["failure"] = word("failure", observation.failure or "")
        if observation.failure == "generic_timeout_error" and observation.step == "http":
            how = "slow"
    said = Phrase(f"failed.{how}", values)
    if isinstance(detail, Http) and detail.length is not None:
        return Phrase("evidence.received", {"failure": said, "count": detail.received or detail.length})
    return said


def _certificate(observation: Observation) -> str:
    """What is wrong with a certificate: its dates and its name are different stories."""
    code = observation.detail.verify_code if isinstance(observation.detail, Tls) else None
    if code in (EXPIRED, NOT_YET):
        return "certificate_expired" if code == EXPIRED else "certificate_not_yet"
    return observation.failure if observation.failure in CERTIFICATES else "tls.mitm"


def listed(items: Sequence[str]) -> Value:
    """The first items, and how many more there are."""
    shown: list[str | Phrase] = [clean(item) for item in items[:MAX_LISTED]]
    if len(items) <= MAX_LISTED:
        return shown
    return Phrase("evidence.more", {"items": shown, "count": len(items) - MAX_LISTED})
