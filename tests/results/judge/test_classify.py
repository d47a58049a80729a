"""The verdict's form: evidence, control, near misses; hostile text in the evidence."""

from __future__ import annotations

import msgspec

from probe.model import Http, Measurement
from results.judge.classify import classify, nearly
from results.judge.rules import rules_version
from results.judge.verdict import Context
from results.judge.wording import sentences
from tests.scenarios.builder import Scenario, scenarios

BY_NAME = {scenario.name: scenario for scenario in scenarios()}


def judged(scenario: Scenario) -> tuple[Measurement, tuple[Measurement, ...], Context]:
    return scenario.measurement, scenario.controls, scenario.context


def test_a_block_by_name_is_told_leg_by_leg() -> None:
    verdict = classify(*judged(BY_NAME["sni_reset_with_all_three_legs"]))
    assert sentences(verdict.evidence) == (
        "www.wechat.example at 23.10.1.1:443: connection reset during the TLS handshake after 0.03 s",
        "retry: www.wechat.example at 23.10.1.1:443: connection reset during the TLS handshake after 0.05 s",
        "with the innocuous name innocent.example, 23.10.1.1:443 completes the handshake",
        "the innocuous name innocent.example passes at 198.41.3.3:443 as well",
        "at an unrelated server: www.wechat.example at 198.41.3.3:443: "
        "connection reset during the TLS handshake after 0.05 s",
    )
    assert verdict.rules_version == rules_version()


def test_what_served_as_the_control_is_named() -> None:
    assert classify(*judged(BY_NAME["tcp_timeout_where_a_control_connects"])).control == "control1"
    trusted = classify(*judged(BY_NAME["dns_servfail_where_every_trusted_resolves"])).control
    assert trusted == "https://dns.example/dns-query, tls://dot.example"
    assert classify(*judged(BY_NAME["sni_reset_with_all_three_legs"])).control is None
    assert classify(*judged(BY_NAME["honest_site"])).control is None


def test_a_disqualified_control_is_not_named_but_told() -> None:
    verdict = classify(*judged(BY_NAME["control_leaves_in_the_vantages_own_country"]))
    assert verdict.control is None
    assert any("is not counted" in sentence for sentence in sentences(verdict.evidence))


def test_rules_that_one_sign_kept_from_applying_are_told_with_it() -> None:
    scenario = BY_NAME["server_resets_unknown_names"]
    missing = {rule.id: sign for rule, sign in nearly(*judged(scenario))}
    assert missing["tls.sni_ab"] == "name.fails_elsewhere"
    assert missing["tls.control_passes"] == "control.passes"


def test_text_from_the_network_cannot_steer_a_terminal() -> None:
    scenario = BY_NAME["honest_site"]
    hostile = "evil\x1b[2J\n\u202e" + "x" * 5000
    observations = tuple(
        msgspec.structs.replace(o, host=hostile, failure=None) for o in scenario.measurement.observations
    )
    verdict = classify(msgspec.structs.replace(scenario.measurement, observations=observations), (), Context())
    for sentence in sentences(verdict.evidence):
        assert sentence.isprintable()
        assert len(sentence) < 500


def test_a_title_or_server_from_the_network_is_bounded_too() -> None:
    scenario = BY_NAME["unknown_page_in_place_of_the_answer"]
    observations = tuple(
        msgspec.structs.replace(o, detail=msgspec.structs.replace(o.detail, headers=(("Server", "\x07" * 9000),)))
        if isinstance(o.detail, Http)
        else o
        for o in scenario.measurement.observations
    )
    verdict = classify(
        msgspec.structs.replace(scenario.measurement, observations=observations), scenario.controls, scenario.context
    )
    assert verdict.rules == ("http.injected",)
    assert all(sentence.isprintable() and len(sentence) < 500 for sentence in sentences(verdict.evidence))


def test_steps_that_the_rules_do_not_know_change_nothing() -> None:
    for scenario in BY_NAME.values():
        extra = tuple(
            msgspec.structs.replace(o, step="throughput", role=role, detail=None, failure="generic_timeout_error")
            for o in scenario.measurement.observations[-1:]
            for role in ("main", "again", "trusted", "innocent", "elsewhere")
        )
        more = msgspec.structs.replace(scenario.measurement, observations=scenario.measurement.observations + extra)
        found = classify(more, scenario.controls, scenario.context)
        assert found == classify(*judged(scenario)), scenario.name
