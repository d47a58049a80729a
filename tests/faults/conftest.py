"""The faults are met by the whole program on a small censored network, as its command lines are."""

from __future__ import annotations

from tests.schedules.conftest import lab

__all__ = ["lab"]
