"""A sample of a register that harms nobody and can be drawn again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlite_utils
from hypothesis import given
from hypothesis import strategies as st

from results.registers.records import ImportReport, RegisterError
from results.registers.sampling import Sample, SampleRequest, Stratum, _shares, sample

Write = Callable[..., Path]
Import = Callable[..., ImportReport]
AT = datetime(2017, 5, 9, tzinfo=UTC)


@pytest.fixture
def draw(csv_file: Write, imported: Import, db: sqlite_utils.Database) -> Callable[..., Sample]:
    def from_rows(rows: list[str], size: int = 1000, seed: int = 1, include: tuple[str, ...] = ()) -> Sample:
        imported(csv_file(*rows))
        return sample(db, "rkn", SampleRequest(size=size, seed=seed, include=include), AT)

    return from_rows


def rows(count: int, authority: str = "ФНС", number: str = "1", first: int = 0) -> list[str]:
    return [f"1.2.3.4;a{n}.com;https://a{n}.com/x;{authority};{number};2016-01-01" for n in range(first, first + count)]


def test_a_sampled_target_is_an_endpoint_and_never_a_page(draw: Callable[..., Sample]):
    found = draw(rows(20))
    assert len(found.targets) == 20
    assert all(target.startswith("tls://a") and target.endswith(".com:443") for target in found.targets)


def test_the_same_seed_draws_the_same_and_another_seed_another(draw: Callable[..., Sample]):
    first, again, other = (draw(rows(200), size=20, seed=seed).targets for seed in (1, 1, 2))
    assert first == again
    assert len(set(first)) == 20
    assert first != other


@pytest.mark.parametrize("authority", ["ФСКН", "МВД", "Роспотребнадзор", "Роскомнадзор", "суд", "Росмолодежь"])
def test_what_may_be_drugs_suicide_or_child_abuse_is_left_out_unless_named(authority: str, draw: Callable[..., Sample]):
    mixed = rows(3) + rows(2, authority, first=3)
    found = draw(mixed)
    assert (len(found.targets), found.left_out) == (3, 2)
    assert len(draw(mixed, include=(authority,)).targets) == 5


def test_a_host_with_one_harmful_entry_is_left_out_whoever_else_lists_it(draw: Callable[..., Sample]):
    found = draw(rows(2) + rows(1, "ФСКН"))
    assert (found.targets, found.left_out) == (("tls://a1.com:443",), 1)


def test_messengers_and_copyright_are_not_left_out(draw: Callable[..., Sample]):
    found = draw(
        rows(1, "Роскомнадзор", "1-Restricting") + rows(1, "Мосгорсуд", "определение о предварительном обеспечении", 1)
    )
    assert (len(found.targets), found.left_out) == (2, 0)


def test_a_host_is_drawn_once_and_strata_get_their_share(draw: Callable[..., Sample]):
    found = draw(rows(80) + rows(80, number="2") + rows(20, "Генпрокуратура", first=80), size=10)
    assert len(set(found.targets)) == len(found.targets) == 10
    assert sorted(found.strata.values()) == [(20, 2), (80, 8)]


def test_addresses_are_not_drawn(draw: Callable[..., Sample]):
    assert draw(
        [*rows(1), "1.2.3.4;1.2.3.4;https://1.2.3.4/;ФНС;1;2016-01-01", "5.6.7.8;;;ФНС;1;2016-01-01"]
    ).targets == ("tls://a0.com:443",)


def test_a_register_without_a_version_so_old_is_an_error(db: sqlite_utils.Database):
    with pytest.raises(RegisterError, match="is not stored"):
        sample(db, "rkn", SampleRequest(size=1, seed=1), AT)


@given(st.lists(st.integers(1, 500), min_size=1, max_size=12), st.integers(0, 1000))
def test_shares_add_up_and_never_exceed_their_stratum(counts: list[int], size: int):
    from collections import Counter

    population = Counter({Stratum(str(number), "", "", ""): count for number, count in enumerate(counts)})
    shares = _shares(population, size)
    assert sum(shares.values()) == min(size, sum(counts))
    assert all(shares[stratum] <= population[stratum] for stratum in shares)
