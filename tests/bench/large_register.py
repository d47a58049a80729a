"""A made-up register of the real one's shape at its later size, row by row, always the same.

The shape is that of the public dumps: how many rows a name and an address stand on and how many addresses on a row, the
share of https, of several URLs in a row, of quoted cells, of Cyrillic names and paths, of addresses in full IPv6 form
(from 2020 on), some 150 bytes a row. Masks, subnets and names without URLs are as frequent as in the later years.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

AUTHORITIES = ("ФНС", "Роскомнадзор", "Генпрокуратура", "суд", "Мосгорсуд", "МВД", "Роспотребнадзор")
WORDS = ("casino", "slots", "film", "kino", "torrent", "shop", "news", "mir", "bet", "play", "online", "club", "vulkan")
CYRILLIC = ("ставки", "кино", "новости", "игра", "казино")
ENDINGS = ("com", "ru", "net", "xyz", "co.uk")
HOSTERS = (104, 172, 188, 5)


class Counts(NamedTuple):
    """How large a dump is: rows, different names (masks too), different addresses (subnets too), names and addresses
    as often as they stand there, bytes."""

    rows: int
    names: int
    addresses: int
    standing: int
    size: int


def row(number: int) -> str:
    """Row `number`: half URLs, a third names, a tenth masks, some addresses and subnets alone."""
    dice = random.Random(number)
    name = _name(number if dice.random() < 0.7 else number // 50 * 50)
    decided = number // 2
    day = f"20{decided % 10 + 14}-0{decided % 9 + 1}-{decided % 28 + 1:02}"
    decision = f"{AUTHORITIES[decided % 7]};2-6-27/ {day}-{decided}-АИ;{day}"
    kind = dice.random()
    if kind < 0.5:
        return f"{_addresses(dice)};{name};{_urls(dice, name, number)};{decision}"
    if kind < 0.85:
        return f"{_addresses(dice)};{name};;{decision}"
    if kind < 0.97:
        return f"{_addresses(dice)};*.{name.removeprefix('www.')};;{decision}"
    if kind < 0.995:
        return f"{_addresses(dice)};;;{decision}"
    net = f"{dice.randrange(1, 223)}.{dice.randrange(256)}.{dice.randrange(0, 256, 16)}.0/{dice.choice((20, 24))}"
    return f"{net};;;{decision}"


def _name(site: int) -> str:
    dice = random.Random(-site - 1)
    if dice.random() < 0.003:
        return f"{dice.choice(CYRILLIC)}-{site}.рф"
    name = f"{dice.choice(WORDS)}{dice.choice(WORDS)}-{site}.{dice.choice(ENDINGS)}"
    return f"{dice.choice(('www', 'www', 'm', 'forum'))}.{name}" if dice.random() < 0.3 else name


def _urls(dice: random.Random, name: str, number: int) -> str:
    scheme = "https" if dice.random() < 0.6 else "http"
    path = "/".join(dice.choices(WORDS, k=dice.randrange(1, 5)))
    url = f"{scheme}://{name}/{path}/{number}.html"
    odd = dice.random()
    if odd < 0.015:
        return f"{scheme}://{name}/{dice.choice(CYRILLIC)}/{number}"
    if odd < 0.03:
        return f"{url} | {scheme}://{name}/{number}"
    if odd < 0.037:
        return f"{url}#head_{number % 9}"
    return f'"{url}?board={number};action=show"' if odd < 0.04 else url


def _addresses(dice: random.Random) -> str:
    """A third of them are the few that many names share, the others are the row's own."""
    found = []
    for _ in range(dice.choices((1, 2, 3, 4, 6, 10, 30), (50, 27, 8, 7, 4, 3, 1))[0]):
        where = int(4000 * dice.random() ** 3) if dice.random() < 0.35 else dice.randrange(1 << 24)
        found.append(f"{HOSTERS[where % 4]}.{where >> 16 & 255}.{where >> 8 & 255}.{where & 255}")
    if dice.random() < 0.2:
        part = dice.randrange(1 << 32)
        for net in (3031, 3034):
            found.append(f"2606:4700:{net}:0000:0000:0000:{part >> 16:04x}:{part & 65535:04x}")
    return " | ".join(dict.fromkeys(found))


def write_dump(path: Path, head: str, numbers: Iterable[int]) -> None:
    """A dump of these rows; `head` is its date, `2024-03-01 10:00:00`."""
    with path.open("w", encoding="cp1251", newline="") as file:
        file.write(f"Updated: {head} +0000\n")
        file.writelines(f"{row(number)}\n" for number in numbers)


def counted(path: Path) -> Counts:
    """Count a dump by its text alone."""
    names, addresses, rows, standing = set(), set(), 0, 0
    with path.open(encoding="cp1251", newline="") as file:
        next(file)
        for line in file:
            ips, name, _ = line.split(";", 2)
            here = ips.split(" | ")
            rows, standing = rows + 1, standing + len(here) + bool(name)
            addresses.update(here)
            names.update({name} - {""})
    return Counts(rows, len(names), len(addresses), standing, path.stat().st_size)


def targets(entries: int, count: int) -> list[str]:
    """Half of them listed in some way, half not, in no order: names, addresses and URLs."""
    dice = random.Random(1)
    found = []
    for number in range(count):
        if number % 2:
            found.append(f"https://www.site{dice.randrange(10**6)}.example.org/page/{number}")
            continue
        ips, name, url, *_ = row(dice.randrange(entries)).split(";")
        single = url.strip('"').partition(" | ")[0]
        found.append(single or name.replace("*.", "deep.below.") or ips.split(" | ")[0].partition("/")[0])
    return found
