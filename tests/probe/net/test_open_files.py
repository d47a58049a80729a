"""How many targets may be under way where the number of open files is limited."""

from __future__ import annotations

import pytest

from probe.net.concurrency import FILES_PER_TARGET, RESERVED_FILES, open_target_limit

resource = pytest.importorskip("resource")


class Limits:
    """What getrlimit(2) says, and setrlimit(2) may do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, *, forbids: bool = False) -> None:
        self.now, self._forbids = (soft, hard), forbids
        monkeypatch.setattr(resource, "getrlimit", lambda _: self.now)
        monkeypatch.setattr(resource, "setrlimit", self._set)

    def _set(self, _: int, limits: tuple[int, int]) -> None:
        if self._forbids or limits[0] > limits[1] >= 0:
            raise ValueError("not allowed to raise maximum limit")
        self.now = limits


def test_a_low_limit_that_may_be_raised_is_raised_for_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(monkeypatch, 256, 10_240)
    assert open_target_limit(1000) == 1000
    assert limits.now == (1000 * FILES_PER_TARGET + RESERVED_FILES, 10_240)


def test_where_its_owner_may_go_no_further_fewer_targets_are_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(monkeypatch, 256, 1024)
    assert open_target_limit(1000) == (1024 - RESERVED_FILES) // FILES_PER_TARGET
    assert limits.now == (1024, 1024)


def test_a_limit_that_is_high_enough_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(monkeypatch, 20_000, 20_000)
    assert open_target_limit(1000) == 1000
    assert limits.now == (20_000, 20_000)


@pytest.mark.parametrize(("soft", "expected"), [(256, (256 - RESERVED_FILES) // FILES_PER_TARGET), (64, 1)])
def test_a_sandbox_that_forbids_raising_it_is_lived_with(
    monkeypatch: pytest.MonkeyPatch, soft: int, expected: int
) -> None:
    Limits(monkeypatch, soft, 1024, forbids=True)
    assert open_target_limit(64) == expected


def test_without_a_limit_there_is_room_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    Limits(monkeypatch, resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert open_target_limit(1000) == 1000
