"""What the registers say about a target at a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from results.registers import create_tables, sample_path
from results.registers.expectation import (
    Expectation,
    RegisterLookup,
    lookup_row,
)
from results.registers.importing import ImportOptions, import_register
from results.registers.names import BadName

NOW = datetime(2017, 5, 9, tzinfo=UTC)
DECISION = "суд;1;2016-01-01"


@pytest.fixture
def db() -> Iterator[sqlite_utils.Database]:
    database = sqlite_utils.Database(memory=True)
    create_tables(database)
    yield database
    database.close()


@pytest.fixture
def register(db: sqlite_utils.Database, tmp_path: Path) -> Callable[..., None]:
    """Import these CSV rows as one version."""

    def write(*rows: str, at: datetime = NOW - timedelta(hours=3), name: str = "rkn", country: str = "RU") -> None:
        path = tmp_path / "dump.csv"
        path.write_bytes("".join(f"{row}\n" for row in rows).encode("cp1251"))
        import_register(db, [path], ImportOptions(name=name, country=country, format="zapret-csv", updated=at, now=at))

    return write


@pytest.fixture
def ask(db: sqlite_utils.Database) -> Callable[..., Expectation]:
    def expect(target: str, *addresses: str, at: datetime = NOW, **how: str) -> Expectation:
        return RegisterLookup(db, at=at, **({"country": "RU"} | how)).expect(target, addresses)

    return expect


Register = Callable[..., None]
Ask = Callable[..., Expectation]


def hows(found: Expectation) -> list[str]:
    return [entry.how for entry in found.entries]


def test_a_listed_name_is_listed_in_every_spelling_and_nothing_near_it_is(register: Register, ask: Ask):
    register(f"1.2.3.4;a.com;;{DECISION}")
    for target in ("a.com", "A.com.", "https://a.com/x", "http://a.com/", "tls://a.com:8443", "a.com:443"):
        assert ask(target).listed is True
    for target in ("b.a.com", "com.a", "aa.com", "https://xa.com/"):
        assert ask(target).listed is False
    assert "a parent domain" in ask("b.a.com").reason


def test_a_mask_covers_the_base_name_and_all_below(register: Register, ask: Ask):
    register(f"1.2.3.4;*.a.com;;{DECISION}")
    for target in ("a.com", "b.a.com", "https://x.y.z.a.com/"):
        assert (ask(target).listed, hows(ask(target))) == (True, ["mask"])
    for target in ("aa.com", "a.com.b.org"):
        assert ask(target).listed is False
    with pytest.raises(BadName):
        ask("com")


def test_an_https_url_lists_its_host_and_says_why(register: Register, ask: Ask):
    register(f"1.2.3.4;a.com;https://a.com/one;{DECISION}")
    for target in ("https://a.com/one", "https://a.com/other", "a.com", "http://a.com/x"):
        found = ask(target)
        assert (found.listed, found.block_type, hows(found)) == (True, "url", ["url-host"])
        assert "a path is not visible in TLS" in found.reason
    assert ask("www.a.com").listed is False


def test_an_http_url_lists_that_url_alone_and_is_a_note_for_its_host(register: Register, ask: Ask):
    register(
        f"1.2.3.4;a.com;http://a.com/one | http://a.com/two;{DECISION}", f"1.2.3.4;a.com;http://a.com/3;{DECISION}"
    )
    assert hows(ask("http://A.com/one#part")) == ["url"]
    for target in ("http://a.com/", "https://a.com/one", "a.com"):
        found = ask(target)
        assert found.listed is False
        assert "single http URLs on a.com (2)" in found.reason


def test_an_address_is_listed_only_by_an_entry_that_blocks_it_as_such(register: Register, ask: Ask):
    register(
        f"1.2.3.4;a.com;;{DECISION}",
        f"5.6.7.8;;;{DECISION}",
        f"91.108.4.0/22;;;{DECISION}",
        f"2001:db8::/32;;;{DECISION}",
    )
    assert hows(ask("5.6.7.8")) == ["address"]
    assert hows(ask("91.108.7.255:443")) == hows(ask("http://91.108.4.0/")) == ["subnet"]
    assert hows(ask("[2001:db8:ffff::1]:443")) == ["subnet"]
    for outside in ("91.108.8.0", "2001:db9::1", "5.6.7.9"):
        assert ask(outside).listed is False
    neighbour = ask("1.2.3.4")
    assert (neighbour.listed, neighbour.shares_address_with) == (False, ("a.com",))
    assert "which does not list this target" in neighbour.reason


def test_a_name_at_a_listed_address_is_not_listed_but_its_address_is_named(register: Register, ask: Ask):
    register(f"91.108.4.0/22;;;{DECISION}", f"91.108.4.9;b.com;;{DECISION}")
    found = ask("https://a.com/", "91.108.4.9", "8.8.8.8")
    assert (found.listed, found.entries) == (False, ())
    assert [entry.how for entry in found.address_blocks] == ["subnet"]
    assert found.shares_address_with == ("b.com",)


def test_the_strongest_entry_comes_first(register: Register, ask: Ask):
    register(
        f"1.2.3.4;a.com;https://a.com/x;{DECISION}", f"1.2.3.4;*.a.com;;{DECISION}", "1.2.3.4;a.com;;ФНС;2;2017-01-01",
        f"1.2.3.4;a.com;;{DECISION}", f"1.2.3.4;a.com;http://a.com/;{DECISION}",
    )  # fmt: skip
    found = ask("http://a.com/")
    assert hows(found) == ["url", "name", "name", "mask", "url-host"]
    assert [entry.decision_date for entry in found.entries[1:3]] == ["2016-01-01", "2017-01-01"]


def test_the_date_says_where_it_comes_from(register: Register, ask: Ask, db: sqlite_utils.Database):
    register(f"1.2.3.4;a.com;;{DECISION}", "1.2.3.4;b.com;;суд;1;", at=datetime(2017, 5, 8, 12, tzinfo=UTC))
    assert (ask("a.com").since, ask("a.com").since_source, ask("a.com").listed_at) == ("2016-01-01", "decision", None)
    assert (ask("b.com").since, ask("b.com").since_source) == ("2017-05-08", "first_seen")
    import_register(db, [sample_path()], ImportOptions(name="sample", country="RU", updated=NOW))
    found = ask("wechat.com", register="sample")
    assert (found.since, found.since_source, found.listed_at) == ("2017-05-04", "inclusion", "2017-05-04T09:00:00Z")
    assert found.basis == "149-FZ 15.4"


def test_a_look_up_at_a_moment_asks_the_version_of_that_moment(register: Register, ask: Ask):
    day = datetime(2017, 5, 1, tzinfo=UTC)
    register(f"1.2.3.4;a.com;;{DECISION}", at=day)
    register(f"1.2.3.4;b.com;;{DECISION}", at=day + timedelta(days=1))
    register(f"1.2.3.4;b.com;;{DECISION}", f"1.2.3.4;a.com;;{DECISION}", at=day + timedelta(days=2))
    assert ask("a.com", at=day - timedelta(seconds=1)).listed is None
    first = ask("a.com", at=day + timedelta(hours=5))
    assert (first.listed, first.as_of) == (True, "2017-05-01T00:00:00Z")
    assert (first.entries[0].first_seen, first.entries[0].last_seen) == ("2017-05-01T00:00:00Z", "2017-05-01T00:00:00Z")
    assert ask("a.com", at=day + timedelta(days=1)).listed is False
    again = ask("a.com", at=day + timedelta(days=2))
    assert (again.entries[0].first_seen, again.entries[0].last_seen) == ("2017-05-01T00:00:00Z", None)


def test_an_entry_whose_addresses_change_was_first_seen_when_it_first_was(register: Register, ask: Ask):
    register("1.2.3.4;a.com;;суд;1;", at=datetime(2017, 5, 1, tzinfo=UTC))
    register("1.2.3.5;a.com;;суд;1;", at=datetime(2017, 5, 8, tzinfo=UTC))
    found = ask("a.com")
    assert len(found.entries) == 1
    assert (found.since, found.entries[0].first_seen) == ("2017-05-01", "2017-05-01T00:00:00Z")


def test_a_version_too_old_is_stale_and_the_age_is_told(register: Register, ask: Ask):
    register(f"1.2.3.4;a.com;;{DECISION}", at=NOW - timedelta(days=3, seconds=1))
    assert (ask("a.com").stale, ask("a.com").listed) == (True, True)
    assert ask("a.com").age_days == pytest.approx(3, abs=0.01)
    assert ask("a.com", at=NOW - timedelta(seconds=2)).stale is False


def test_without_a_register_nothing_is_known(register: Register, ask: Ask):
    assert (ask("a.com").listed, ask("a.com").register) == (None, None)
    assert "no register of RU" in ask("a.com").reason
    register(f"1.2.3.4;a.com;;{DECISION}")
    assert ask("a.com", country="UA").listed is None
    assert "no register xyz" in ask("a.com", register="xyz").reason


def test_of_two_registers_of_a_country_the_one_that_lists_it_answers(register: Register, ask: Ask):
    register(f"1.2.3.4;a.com;;{DECISION}", at=NOW - timedelta(days=1))
    register(f"1.2.3.4;b.com;;{DECISION}", name="other")
    assert (ask("a.com").register, ask("b.com").register) == ("rkn", "other")
    assert (ask("c.com").listed, ask("c.com").register) == (False, "other")
    assert ask("a.com", register="other").listed is False


def test_many_targets_are_answered_one_by_one_and_a_bad_one_raises(register: Register, db: sqlite_utils.Database):
    register(f"1.2.3.4;a.com;;{DECISION}")
    lookup = RegisterLookup(db, country="ru", at=NOW)
    assert lookup.expect("a.com").listed is True
    assert lookup.expect("b.com").listed is False
    with pytest.raises(BadName):
        lookup.expect("nonsense")


def test_the_line_of_a_look_up_begins_with_the_documented_keys(register: Register, ask: Ask):
    register(f"1.2.3.4;a.com;;{DECISION}")
    row = lookup_row(ask("a.com"))
    assert list(row)[:7] == ["target", "register", "listed", "since", "basis", "block_type", "entries"]
    assert {"id", "decision_number", "decision_date", "authority", "first_seen", "last_seen"} <= set(row["entries"][0])
    assert lookup_row(ask("b.com"))["since"] is None


labels = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), min_size=2, max_size=5)


@settings(deadline=None, max_examples=50)
@given(base=labels, below=st.lists(st.from_regex(r"[a-z0-9_]{1,5}", fullmatch=True), max_size=4), other=labels)
def test_a_mask_covers_a_name_exactly_when_it_is_its_base_or_under_it(
    base: list[str], below: list[str], other: list[str]
):
    mask, under, far = ".".join(base), ".".join([*below, *base]), ".".join(other)
    db = sqlite_utils.Database(memory=True)
    create_tables(db)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "dump.csv"
        path.write_bytes(f"1.2.3.4;*.{mask};;{DECISION}\n".encode("cp1251"))
        import_register(db, [path], ImportOptions(updated=NOW))
    lookup = RegisterLookup(db, country="RU", at=NOW)
    assert lookup.expect(under).listed is True
    assert lookup.expect(far).listed is (far == mask or far.endswith(f".{mask}"))
    db.close()
