"""Where judging looks at a library of fingerprints, and where it must not."""

from __future__ import annotations

from probe.model import Answer, Dns, Http, Measurement, Tcp
from results.fingerprints import Match
from results.fingerprints.fingerprint import Fingerprint
from results.fingerprints.library import Library
from results.judge.classify import classify
from results.judge.verdict import Context
from results.judge.wording import sentences
from tests.results.records import measurement, observation, target

PRINT = Fingerprint(
    name="x.1", scope="isp", where="body", how="contains", pattern="Closed by the Example Authority", countries=("RU",)
)
FILTER = Fingerprint(name="x.2", scope="nat", where="dns", how="full", pattern="23.10.1.66", countries=("RU",))


class Unread(Library):
    """A library that nobody may look into."""

    def match(self, http: Http, country: str | None) -> tuple[Match, ...]:
        raise AssertionError("looked at")


def in_the_open(body: bytes = b"<html>Closed by the Example Authority</html>") -> Measurement:
    page = Http(url="http://www.example.com/", status=200, body=body, body_sha256="x", length=len(body))
    plain = target("http://www.example.com/", scheme="http", port=80)
    return measurement("aaaabbbbccccdddd", target=plain, observations=(observation("aaaa", 1, "http", page),))


def test_an_answer_over_valid_tls_is_never_searched() -> None:
    assert classify(measurement(), (), Context(country="RU"), Unread((PRINT,))).outcome == "reachable"


def test_an_answer_in_the_open_is_searched_once() -> None:
    looked: list[str] = []

    class Counting(Library):
        def match(self, http: Http, country: str | None) -> tuple[Match, ...]:
            looked.append(http.url)
            return super().match(http, country)

    verdict = classify(in_the_open(), (), Context(country="RU"), Counting((PRINT,)))
    assert (verdict.outcome, verdict.confidence, verdict.rules) == ("blocked", "confirmed", ("http.blockpage",))
    assert looked == ["http://www.example.com/"]


def test_without_a_library_our_own_set_judges() -> None:
    assert classify(in_the_open(), (), Context(country="RU")).outcome == "inconclusive"


def test_where_the_context_names_no_country_the_vantages_own_counts() -> None:
    assert classify(in_the_open(), (), Context(), Library((PRINT,))).outcome == "blocked"
    abroad = in_the_open()
    assert classify(abroad, (), Context(country="DE"), Library((PRINT,))).outcome == "inconclusive"


def test_a_control_that_was_led_to_a_filter_of_its_own_country_is_not_counted() -> None:
    answers = (Answer(type="A", value="23.10.1.66", ttl=60),)
    steps = (
        observation("c", 1, "dns", Dns(resolver="system", query_type="A", rcode=0, answers=answers)),
        observation("c", 2, "tcp", Tcp(family="ipv4"), failure="connection_refused"),
    )
    control = measurement("c" * 16, observations=steps, control_of="aaaabbbbccccdddd")
    verdict = classify(in_the_open(b"hello"), (control,), Context(country="DE"), Library((FILTER,)))
    assert any("23.10.1.66" in sentence and "not counted" in sentence for sentence in sentences(verdict.evidence))
