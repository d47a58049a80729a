"""The sentences that people quote, in every language: what failed, where, after how long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from probe.model import Dns, Tls
from results.i18n.language import languages
from results.i18n.translator import Phrase, Translator, Value
from results.judge.classify import evidence_of
from results.judge.input import Case
from results.judge.signals import signals_of
from results.judge.verdict import Evidence, evidence_from
from results.judge.wording import evidence, failed_step, sentence_of, sentences
from tests.results.records import finished, observation, verdict
from tests.scenarios.builder import scenarios

EVERY = [
    found
    for one in scenarios()
    for found in signals_of(Case(one.measurement, one.controls, one.context, one.library)).values()
]
RU = Translator("ru")


@pytest.mark.parametrize(
    ("code", "failure", "said"),
    [
        (10, "ssl_invalid_certificate", "the certificate has expired"),
        (9, "ssl_invalid_certificate", "the certificate is not valid yet; is the clock right?"),
        (62, "ssl_invalid_hostname", "the certificate is for another name"),
        (20, "ssl_unknown_authority", "the certificate's issuer is not trusted"),
        (None, "ssl_invalid_certificate", "the certificate is not valid for the name"),
    ],
)
def test_an_expired_certificate_is_not_told_as_one_for_another_name(code: int | None, failure: str, said: str) -> None:
    failed = observation("m", 1, "tls", Tls(server_name="www.example.com", verify_code=code), failure=failure)
    assert Translator("en").phrase(failed_step(failed, "tls.mitm")) == f"www.example.com at 192.0.2.1:443: {said}"


def test_a_name_that_does_not_exist_is_not_said_to_vanish_after_a_moment() -> None:
    failed = observation(
        "m", 1, "dns", Dns(resolver="udp://192.0.2.53", query_type="A"), failure="dns_nxdomain_error", duration_s=0.012
    )
    assert Translator("en").phrase(failed_step(failed, "dns.nxdomain")) == (
        "www.example.com: resolver udp://192.0.2.53 answered NXDOMAIN (the name does not exist) after 0.01 s"
    )


@pytest.mark.parametrize("language", languages())
def test_every_signal_of_every_situation_is_a_sentence_in_every_language(language: str) -> None:
    words = Translator(language)
    assert len({found.signal for found in EVERY}) > 150
    for found in EVERY:
        phrases = [sentence_of(found), *_inner(found.values)]
        texts = [words.phrase(phrase) for phrase in phrases]
        assert not [text for text in texts if not text or set("{}\ufffd") & set(text)], found
        unknown = [p.phrase for p, text in zip(phrases, texts, strict=True) if text.startswith(p.phrase)]
        assert not unknown, "no such text, or a value is missing"


def _inner(values: dict[str, Value]) -> Iterator[Phrase]:
    for value in values.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Phrase):
                yield item
                yield from _inner(item.values)


def test_stored_evidence_is_the_same_when_read_again() -> None:
    for found in EVERY:
        assert evidence_from(msgspec.json.encode([found])) == (found,)
        assert found.is_bounded()


def test_sentences_of_an_older_version_become_signals_where_the_same_rule_still_decides() -> None:
    one = next(one for one in scenarios() if one.name == "sni_reset_with_all_three_legs")
    made = finished(measurement=one.measurement, context=one.context)
    old = verdict("blocked", method="tls.reset", rules=("tls.sni_ab",), evidence=("the handshake is reset",))
    again = evidence_of(msgspec.structs.replace(made, verdict=old))
    assert [found.signal for found in again if isinstance(found, Evidence)][:2] == ["fails.tls", "again.fails"]
    other = msgspec.structs.replace(old, rules=("tls.retired",))
    assert evidence_of(msgspec.structs.replace(made, verdict=other)) == ("the handshake is reset",)


HOSTILE: list[tuple[Any, str]] = [
    ({"signal": "no.such", "values": {"host": "{0.__class__}\x1b[2J"}}, "signal.no.such (host: {0.__class__}"),
    ({"signal": "over.valid_tls", "values": {"host": "a.x"}}, "signal.over.valid_tls (host: a.x)"),
    ({"signal": "answer.handshake", "values": {"host": "a", "place": "b", "seconds": "soon"}}, "seconds: soon"),
    ({"signal": "control.several", "values": {"place": "b", "self": 1, "key": 2}}, "signal.control.several (place: b"),
    ({"signal": "fails", "values": {"failure": {"phrase": "failed.tcp.timeout"}}}, "failed.tcp.timeout"),
]


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize(("stored", "said"), HOSTILE)
def test_evidence_that_someone_else_wrote_is_shown_as_what_it_is(stored: Any, said: str, language: str) -> None:
    (shown,) = sentences(evidence_from(msgspec.json.encode([stored])), Translator(language))
    assert said in shown
    assert shown.isprintable()
    assert len(shown) <= 1000


def test_evidence_without_bounds_is_recognised_and_still_shown_as_one_short_line() -> None:
    deep: Value = "x"
    for _ in range(50):
        deep = Phrase("signal.fails", {"failure": deep})
    for values in ({"failure": deep}, {"failure": "x" * 9000}, {"failure": ["x"] * 100}, {"x" * 900: 1}):
        found = Evidence("fails", values=values)  # type: ignore[arg-type]
        assert not found.is_bounded()
        assert len(sentences([found])[0]) <= 1000
    assert not Evidence("x" * 900).is_bounded()


def test_values_are_cleaned_when_evidence_is_made() -> None:
    made = evidence("page.block", host="a\x1b[2J\n" + "x" * 500, page=Phrase("hint.says", {"words": "\u202e"}))
    assert made.values == {"host": "a [2J " + "x" * 114, "page": Phrase("hint.says", {"words": " "})}
