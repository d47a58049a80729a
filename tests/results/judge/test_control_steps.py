"""What a control tries besides its own course: the very addresses at which the vantage point failed."""

from __future__ import annotations

from probe.model import Attempt
from results.judge.control_steps import at_failed_addresses, public_addresses
from tests.results.judge.test_follow_up import measured

HERE = "23.10.1.1"
SIX = "2606:2800:220:1::1"


def wanted(target: str, *main: str, control: tuple[str, ...] = ("tcp ok", "tls ok", "http 200")) -> list[Attempt]:
    ask = at_failed_addresses(measured(target, main=list(main)))
    found = ask(measured(target, main=list(control)))
    return [more for more in found if isinstance(more, Attempt)]


def test_an_answer_costs_the_control_nothing() -> None:
    assert wanted("https://a.example/", f"dns {HERE}", "tcp ok", "tls ok", "http 200") == []
    assert wanted("https://a.example/", "dns nxdomain") == []


def test_a_control_goes_as_far_as_the_step_that_failed_and_no_less_than_a_handshake() -> None:
    for step, scheme in (("tcp timeout", "tls"), ("tls reset", "tls"), ("http timeout", "https")):
        lines = [f"dns {HERE}", *(["tcp ok"] if step[:3] != "tcp" else []), *(["tls ok"] if step[:4] == "http" else [])]
        (attempt,) = wanted("https://a.example/", *lines, step)
        assert (attempt.scheme, attempt.address, attempt.port, attempt.role) == (scheme, HERE, 443, "again")
        assert attempt.server_name == "a.example"
        assert (attempt.request_path is not None) is (scheme == "https")


def test_what_the_controls_own_course_used_is_not_tried_again() -> None:
    used = (f"dns {HERE}", "tcp ok", "tls ok", "http 200")
    assert wanted("https://a.example/", f"dns {HERE}", "tcp timeout", control=used) == []


def test_one_address_of_each_family_is_tried() -> None:
    main = [f"dns {HERE} 23.10.1.2", f"tcp timeout @{HERE}", "tcp timeout @23.10.1.2", f"tcp timeout @{SIX}"]
    assert [attempt.address for attempt in wanted("https://a.example/", *main)] == [HERE, SIX]


def test_behind_a_redirect_the_last_hops_address_is_tried() -> None:
    main = [f"dns {HERE}", "tcp ok", "http 301 to=https://b.example/", "goto https://b.example/", "dns 23.10.1.9"]
    (attempt,) = wanted("http://a.example/", *main, "tcp timeout")
    assert (attempt.hop, attempt.host, attempt.address) == (1, "b.example", "23.10.1.9")


def test_a_hub_is_only_given_public_addresses_of_the_targets_own_host() -> None:
    assert public_addresses(measured("https://a.example/", main=[f"dns {HERE}", "tcp timeout"])) == (HERE,)
    assert public_addresses(measured("https://a.example/", main=["dns 10.0.0.1", "tcp timeout"])) == ()
    behind = ["goto https://b.example/", "dns 23.10.1.9", "tcp timeout"]
    assert public_addresses(measured("http://a.example/", main=[f"dns {HERE}", "tcp ok", "http 301", *behind])) == ()
