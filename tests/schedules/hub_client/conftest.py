"""The hub that members upload to."""

from __future__ import annotations

from tests.results.hub.conftest import hub

__all__ = ["hub"]
