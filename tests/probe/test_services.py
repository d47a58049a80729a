"""The services that come with the program."""

from __future__ import annotations

import pytest

from probe.services import UnknownService, built_in, named, targets
from probe.target import BadTarget

SERVICES = built_in()


def test_the_services_of_the_story_are_there() -> None:
    assert set(SERVICES) == {"bbm", "expressvpn", "ipvanish", "line", "linkedin", "wechat"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_has_required_targets_first_and_none_twice(name: str) -> None:
    service = SERVICES[name]
    required = [target.required for target in service.targets]
    assert required[0]
    assert required == sorted(required, reverse=True)
    assert len({target.text for target in service.targets}) == len(service.targets)
    assert {target.service for target in service.targets} == {name}


def test_a_service_that_was_shut_down_says_so_and_when() -> None:
    bbm = SERVICES["bbm"]
    assert bbm.ended == "2019-05-31"
    assert [name for name, service in SERVICES.items() if service.ended] == ["bbm"]


def test_a_name_is_found_whatever_its_case_and_an_unknown_one_lists_the_known() -> None:
    assert named("WeChat", SERVICES).title == "WeChat"
    with pytest.raises(UnknownService, match="unknown service 'vechat'; known: bbm, expressvpn, ipvanish"):
        named("vechat", SERVICES)


def test_an_unreadable_target_of_a_service_is_named() -> None:
    with pytest.raises(BadTarget, match="ftp"):
        targets("x", ["ftp://x.example/"], [])
