"""What the columns of a comparison are called. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from probe.model import Vantage
from results.compare.observed import DIRECT, NOT_KNOWN, network_of

Label = str
Dimension = Literal["vantage", "network", "country", "path"]


def labels(vantages: Sequence[Vantage], by: Dimension) -> dict[Vantage, Label]:
    """For each vantage the column that it belongs to.

    What leaves by another path than the direct one is seen from another place: it never counts for the network or the
    country that the vantage stands in, but has a column of its own there.
    """
    if by == "path":
        return {vantage: vantage.path for vantage in vantages}
    names = _names(vantages) if by == "vantage" else {}
    found = {}
    for vantage in vantages:
        if by == "vantage":
            name = names[vantage]
        else:
            name = network_of(vantage) if by == "network" else vantage.country or f"country {NOT_KNOWN}"
        found[vantage] = name if vantage.path == DIRECT else f"{name} by {vantage.path}"
    return found


def in_order(every: Mapping[Vantage, Label]) -> list[Label]:
    """The columns: those of direct paths first, each by its letters and numbers."""
    paths = {label: vantage.path != DIRECT for vantage, label in every.items()}
    return sorted(paths, key=lambda label: (paths[label], _natural(label), label))


def _natural(label: Label) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdecimal() and part.isascii() else (-1, part)
        for part in re.split(r"([0-9]{1,18})", label)
    ]


def _names(vantages: Sequence[Vantage]) -> dict[Vantage, str]:
    """A machine's name; with its network where machines of one name, or one that moves about, are in several."""
    networks: dict[tuple[str, str], set[tuple[str | None, str]]] = defaultdict(set)
    for vantage in vantages:
        networks[vantage.name, vantage.path].add((vantage.country, network_of(vantage)))
    found = {}
    for vantage in vantages:
        name = vantage.name
        if len(networks[vantage.name, vantage.path]) > 1:
            name += f" {network_of(vantage)}"
            if len({network for _, network in networks[vantage.name, vantage.path]}) == 1:
                name += f" {vantage.country or NOT_KNOWN}"
        found[vantage] = name
    return found
