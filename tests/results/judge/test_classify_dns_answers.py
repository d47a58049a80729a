"""When two answers to one name agree, and when they can be held against each other at all."""

from __future__ import annotations

import pytest

from results.judge.input import comparable, share_network


@pytest.mark.parametrize(
    ("one", "other", "shares"),
    [
        ("23.10.1.1", "23.10.1.200", True),
        ("23.10.1.1", "23.10.2.1", False),
        ("2606:2800:220:1::1", "2606:2800:220:ffff::1", True),
        ("2606:2800:220:1::1", "2606:2800:221:1::1", False),
        ("64:ff9b::170a:101", "23.10.1.7", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("127.77.1.2", "127.77.1.3", False),
        ("23.10.1.1", "2606:2800:220:1::1", False),
        ("not an address", "23.10.1.1", False),
    ],
)
def test_addresses_of_one_network_agree_and_private_ones_only_where_they_are_the_same(
    one: str, other: str, shares: bool
) -> None:
    assert share_network([one], [other]) is shares
    assert share_network([other], [one]) is shares


def test_families_are_compared_only_with_their_own() -> None:
    assert comparable(["23.10.1.1"], ["151.20.2.2", "2606:2800:220:1::1"])
    assert not comparable(["23.10.1.1"], ["2606:2800:220:1::1"])
    assert comparable(["64:ff9b::1.2.3.4"], ["23.10.1.1"])
    assert not comparable([], ["23.10.1.1"])
