"""The pictures of a report."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from markupsafe import Markup

from results.report.summary import Summary
from results.report.words import Words


class Picture(msgspec.Struct, frozen=True):
    """One picture for a page, and the same for a phone."""

    wide: Markup
    narrow: Markup


class Pictures(msgspec.Struct, frozen=True, kw_only=True):
    """All of them; None where there is nothing to draw."""

    register: Picture | None = None
    timelines: Mapping[str, Picture] = MappingProxyType({})
    hours: Picture | None = None
    methods: Picture | None = None
    alike: Picture | None = None
    times: Picture | None = None


def draw(summary: Summary, words: Words) -> Pictures | None:
    """All pictures, or None where the extra that draws them is missing."""
    return None
