"""What formats share when they turn a row's texts into an entry."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from probe.timestamps import parse_date
from results.registers import names
from results.registers.records import Subnet, Url

MAX_ITEMS = 100_000  # names, URLs or addresses in one row; the most seen is 370
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Things(NamedTuple):
    """The names, masks, URLs and address ranges of a row, and what could not be read in it."""

    names: tuple[str, ...]
    masks: tuple[str, ...]
    urls: tuple[Url, ...]
    subnets: tuple[Subnet, ...]
    remarks: tuple[str, ...]


def things(domains: Iterable[str], urls: Iterable[str]) -> Things:
    """Parse the names and URLs of one row; an address in a name's place is an address."""
    exact, masks, parsed, subnets, remarks = [], [], [], [], []
    for text in domains:
        try:
            if found := names.subnet(text):
                subnets.append(found)
            elif names.is_mask(text):
                masks.append(listed_name(text))
            else:
                exact.append(listed_name(text))
        except names.BadName as error:
            remarks.append(f"name: {error}")
    for text in urls:
        try:
            parsed.append(listed_url(text))
        except names.BadName as error:
            remarks.append(f"URL: {error}")
    return Things(tuple(exact), tuple(masks), tuple(parsed), tuple(subnets), tuple(remarks))


def listed_name(text: str) -> str:
    """A name that a register can list: one under a top-level name (lists in the wild hold `.com` and `.info`)."""
    found = names.name(text)
    if "." not in found:
        raise names.BadName(f"{names.shown(text)} is a whole top-level name")
    return found


def listed_url(text: str) -> Url:
    """A URL that a register can list: on a host under a top-level name, or on an address; without a scheme it is
    http's, as `example.org/page` is."""
    found = names.url(text if names.has_scheme(text) or "/" not in text else f"http://{text.strip()}")
    if "." not in found.host and ":" not in found.host:
        raise names.BadName(f"{names.shown(text)} is on no host")
    return found


def ranges(texts: Iterable[str]) -> tuple[tuple[Subnet, ...], tuple[str, ...]]:
    """Addresses and subnets of one row, and remarks on those that are neither."""
    found, remarks = [], []
    for text in texts:
        if net := names.subnet(text):
            found.append(net)
        else:
            remarks.append(f"address: {names.shown(text)} is not one")
    return tuple(found), tuple(remarks)


def single_addresses(subnets: Iterable[Subnet]) -> tuple[bytes, ...]:
    """The ranges that are one address."""
    return tuple(net.packed for net in subnets if net.prefix == len(net.packed) * 8)


@lru_cache(maxsize=8192)
def date(text: str | None) -> str | None:
    """A day of the calendar as `YYYY-MM-DD`, or None."""
    try:
        return parse_date(text).isoformat() if text else None
    except ValueError:
        return None
