"""DNS response policy zones: a zone file whose names are what is blocked (draft-vixie-dnsop-dns-rpz).

`name CNAME .` blocks a name, `*.name CNAME .` what is below it (a mask here; the name itself has its own rule),
`32.1.2.0.192.rpz-ip` an address. `rpz-passthru.` is the opposite of a block. The zone's own name is removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial

from results.registers import names
from results.registers.formats import RegisterFormat, RegisterItem, too_long
from results.registers.records import BadRow, RawRow, RegisterEntry, RowProblem, Subnet
from results.registers.source import RegisterFile

_RULE = re.compile(r"(?P<owner>\S+)\s+(?:\d+[smhdw]?\s+)?(?:IN\s+)?(?P<type>[A-Z]+)\s+(?P<data>\S.*)\Z", re.IGNORECASE)
_LOOKS = re.compile(
    rb"^\S+[ \t]+(?:\d+[ \t]+)?(?:IN[ \t]+)?CNAME[ \t]+(?:\*?\.|rpz-\w+\.)[ \t]*\r?$", re.MULTILINE | re.IGNORECASE
)
_ALLOWED = frozenset({"rpz-passthru.", "rpz-tcp-only."})
_BLOCKING = frozenset({"CNAME", "A", "AAAA"})


def recognises(head: bytes) -> bool:
    """A rule `CNAME .`, `CNAME *.` or `CNAME rpz-...` among the first lines."""
    return _LOOKS.search(head) is not None


def read(files: Iterable[RegisterFile]) -> Iterator[RegisterItem]:
    """The zone's rules; its SOA, NS and other records are none."""
    for file in files:
        origin, open_brackets = "", 0
        for number, content, _ in file.lines():
            if content is None:
                yield too_long(file, number)
                continue
            text = content.decode("utf-8", "replace").partition(";")[0].rstrip()
            within, open_brackets = open_brackets > 0, max(0, open_brackets + text.count("(") - text.count(")"))
            if within or not text or text[0].isspace():
                continue
            if text.startswith("$"):
                word, _, value = text.partition(" ")
                origin = value.strip().rstrip(".").lower() if word.upper() == "$ORIGIN" else origin
                continue
            rule = _RULE.match(text)
            if rule is None:
                yield RowProblem(file.name, number, "not a record of a zone")
            elif rule["type"].upper() == "SOA":
                origin = origin or rule["owner"].rstrip(".").lower() if rule["owner"].endswith(".") else origin
            elif rule["type"].upper() in _BLOCKING and rule["data"].strip().lower() not in _ALLOWED:
                owner = _without(rule["owner"].lower(), origin)
                yield RawRow(number, file.name, owner.encode("utf-8", "replace"), partial(parse, owner))


def _without(owner: str, origin: str) -> str:
    if not owner.endswith("."):
        return owner
    owner = owner.rstrip(".")
    return owner.removesuffix(f".{origin}") if origin else owner


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
