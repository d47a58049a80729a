"""uablacklist.net's domains.json: what Ukraine's sanction decrees list, by domain, with the decree and its term.

`domain -> {urls?, company?, alias?, reason, term}`, the reason an address of the decree, the term `dd.mm.yyyy` or null.
The domain is what is blocked; the URLs are where it was found. An entry is in force until the end of its term's day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from gettext import gettext as _
from typing import Any

import msgspec

from results.registers import names
from results.registers.formats import RegisterFormat, RegisterItem, entry_of
from results.registers.records import BadRow, RawRow, RegisterEntry, RegisterError, TruncatedRegister
from results.registers.source import RegisterFile

MAX_FILE = 64 << 20  # it is 150 KB


def recognises(head: bytes) -> bool:
    """An object whose first member is an object, with a reason or a term soon after."""
    squeezed = b"".join(head[:4096].split())
    return squeezed.startswith(b'{"') and b'":{"' in squeezed and (b'"reason":' in squeezed or b'"term":' in squeezed)


def read(files: Iterable[RegisterFile]) -> Iterator[RegisterItem]:
    """The file's domains; `line` is the place in the file, counted in domains."""
    for file in files:
        text = bytearray()
        for chunk in file.chunks():
            text += chunk
            if len(text) > MAX_FILE:
                raise RegisterError(
                    _("{name} is larger than {limit} MiB, so it is not this list").format(
                        name=file.name, limit=MAX_FILE >> 20
                    )
                )
        try:
            listed = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise TruncatedRegister(
                _("{name} is not a complete JSON object ({error}); download it again").format(
                    name=file.name, error=error
                )
            ) from error
        for number, (domain, about) in enumerate(listed.items(), 1):
            content = domain.encode("utf-8", "replace") + b"\0" + bytes(about)
            yield RawRow(number, file.name, content, partial(parse, domain, bytes(about)))


def parse(domain: str, about: bytes) -> RegisterEntry:
    """One domain as an entry. Raises BadRow."""
    try:
        row: dict[str, Any] = msgspec.json.decode(about, type=dict[str, Any])
        what = names.listed_items([domain], ())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRow("not an object") from error
    until, odd = _until(row.get("term"))
    reason = row.get("reason")
    basis = names.clean(reason)[:500] or None if isinstance(reason, str) else None
    return entry_of(domain, what, until=until, basis=basis, remarks=odd)


def _until(term: object) -> tuple[str | None, tuple[str, ...]]:
    if term is None or term == "":
        return None, ()
    try:
        return datetime.strptime(str(term), "%d.%m.%Y").date().isoformat(), ()  # noqa: DTZ007 (a day, not a moment)
    except ValueError:
        return None, (f"term: {names.quoted(str(term))} is no date",)


FORMAT = RegisterFormat("uablacklist", recognises, read, register="uablacklist", country="UA")
