"""What this machine and its owner are called: kept out of every record, wherever somebody echoes it."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterable
from functools import cache
from pathlib import Path

INTERFACES = Path("/sys/class/net")
MOST_INTERFACES = 16
SHORTEST = 6
TELLING = re.compile("[0-9_-]")
"""Of the names that people give, those with such a character are unlikely to be a word of somebody's page."""
HARDWARE = re.compile("(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
NOBODYS = ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff")


@cache
def own_names() -> frozenset[str]:
    """The hardware addresses of this machine's interfaces, and its and its user's names as far as they tell them.

    A name that is a common word, such as `michael` or `ubuntu`, is not among them: to take it out of every page would
    destroy what was measured. A home folder's path is, whatever it is.
    """
    return frozenset((*hardware_addresses(), *filter(_tells, _names()), *_homes()))


def hardware_addresses(interfaces: Path = INTERFACES) -> list[str]:
    """Of interfaces that are hardware, as Linux tells them; none elsewhere."""
    found = []
    for device in sorted(interfaces.glob("*/device"))[:MOST_INTERFACES]:
        try:
            address = (device.parent / "address").read_text("ascii").strip().lower()
        except (OSError, UnicodeDecodeError):
            continue
        if HARDWARE.fullmatch(address) and address not in NOBODYS:
            found.append(address)
    return found


def _tells(name: str) -> bool:
    return len(name) >= SHORTEST and TELLING.search(name) is not None


def _names() -> Iterable[str]:
    host = socket.gethostname()
    yield from dict.fromkeys((host, host.split(".")[0]))
    try:
        yield getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as a service's may be
        return


def _homes() -> Iterable[str]:
    try:
        home = str(Path.home())
    except (KeyError, RuntimeError):
        return
    if home.count("/") > 1:
        yield home
