"""DNS response policy zones: a zone file whose names are what is blocked (draft-vixie-dnsop-dns-rpz).

`name CNAME .` blocks a name, `*.name CNAME .` what is below it (a mask here; the name itself has its own rule),
`32.1.2.0.192.rpz-ip` an address. `rpz-passthru.` is the opposite of a block. The zone's own name is removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial

from results.registers import list_dates, names
from results.registers.formats import RegisterFormat, RegisterItem
from results.registers.formats.zone_file import ZoneRecord, ZoneTrouble, records
from results.registers.records import BadRow, RawRow, RegisterEntry, RowProblem, Subnet, VersionTime
from results.registers.source import RegisterFile

_OWNER = rb"^(?:[^\s;$][^\s]*)?[ \t]+(?:(?:\d[\dsmhdw]*|IN|CH|HS)[ \t]+){0,2}"
_RULE = re.compile(_OWNER + rb"CNAME[ \t]+(?:\*?\.|rpz-[\w-]+\.)[ \t]*(?:;.*)?\r?$", re.MULTILINE | re.IGNORECASE)
_ANY_RULE = re.compile(_OWNER + rb"(?:CNAME|A|AAAA)[ \t]+\S", re.MULTILINE | re.IGNORECASE)
_SOA = re.compile(_OWNER + rb"SOA[ \t]+\S", re.MULTILINE | re.IGNORECASE)
_ALLOWED = frozenset({"rpz-passthru.", "rpz-tcp-only."})
_BLOCKING = frozenset({"CNAME", "A", "AAAA"})


def recognises(head: bytes) -> bool:
    """A rule `CNAME .`, `CNAME *.` or `CNAME rpz-...` among the first lines, or an SOA and another CNAME or address."""
    return _RULE.search(head) is not None or (_SOA.search(head) is not None and _ANY_RULE.search(head) is not None)


def read(files: Iterable[RegisterFile]) -> Iterator[RegisterItem]:
    """The zone's rules; its SOA says which zone and version it is."""
    for file in files:
        zone: str | None = None
        servers: set[str] = set()
        for record in records(file):
            if isinstance(record, ZoneTrouble):
                yield RowProblem(file.name, record.line, record.why)
            elif record.kind == "SOA":
                zone = record.owner if record.owner.endswith(".") else zone
                servers.update(record.names[:1])
                if (moment := list_dates.of_serial(record.data[2] if len(record.data) > 2 else "")) is not None:
                    yield VersionTime(moment)
            elif record.kind == "NS":
                servers.update(record.names[:1])
            elif record.kind in _BLOCKING and record.owner not in servers:
                yield from _rule(file, record, zone)


def _rule(file: RegisterFile, record: ZoneRecord, zone: str | None) -> Iterator[RegisterItem]:
    """The rule in a record, unless that is an exception, or the address of the zone itself."""
    owner = record.owner
    if owner.endswith(".") and zone is not None:
        if owner != zone and zone != "." and not owner.endswith(f".{zone}"):
            yield RowProblem(file.name, record.line, f"outside the zone: {names.quoted(owner)}")
            return
        owner = owner.removesuffix(zone)
    owner, leads_to = owner.rstrip("."), record.data[0].lower()
    if owner and leads_to not in _ALLOWED and leads_to != f"{owner}.":
        yield RawRow(record.line, file.name, owner.encode("utf-8", "replace"), partial(parse, owner))


def parse(owner: str) -> RegisterEntry:
    """One rule's owner as an entry. Raises BadRow."""
    if owner.endswith(".rpz-ip"):
        return RegisterEntry(key=owner, block_type="ip", subnets=(_subnet(owner.removesuffix(".rpz-ip")),))
    if ".rpz-" in owner:
        raise BadRow("a rule by name server or client, which lists no target")
    what = names.listed_items([owner], ())
    if what.remarks:
        raise BadRow("; ".join(what.remarks))
    kind = "domain-mask" if what.masks else "domain" if what.names else "ip"
    return RegisterEntry(key=owner, block_type=kind, names=what.names, masks=what.masks, subnets=what.subnets)


def _subnet(owner: str) -> Subnet:
    """`24.0.2.0.192` is 192.0.2.0/24, `48.zz.1.db8.2001` is 2001:db8:1::/48."""
    prefix, *labels = owner.split(".")
    parts = labels[::-1]
    text = ".".join(parts) if len(parts) == 4 and "zz" not in parts else _ipv6(parts)
    found = names.subnet(f"{text}/{prefix}")
    if found is None:
        raise BadRow(f"address: {names.quoted(owner)} is not one")
    return found


def _ipv6(parts: list[str]) -> str:
    text = ":".join("" if part == "zz" else part for part in parts)
    return (":" if parts[:1] == ["zz"] else "") + text + (":" if parts[-1:] == ["zz"] else "")


FORMAT = RegisterFormat("rpz", recognises, read)
