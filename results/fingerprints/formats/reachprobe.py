"""Fingerprints as one of our collections gives them to another: a head, one print a JSON line, and a last line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from gettext import gettext as _
from typing import Any

import msgspec

from results.fingerprints.fingerprint import Fingerprint, FingerprintError
from results.fingerprints.formats import FingerprintRow

NAME = "reachprobe"
BEGINNING = '{"reachprobe_fingerprints":'
VERSION = 1


class FingerprintHeader(msgspec.Struct):
    reachprobe_fingerprints: int


class FingerprintFooter(msgspec.Struct):
    prints: int


def recognises(head: str) -> bool:
    return head.startswith(BEGINNING)


def read(name: str, text: str) -> Iterator[FingerprintRow]:
    """FingerprintError where the last line does not say that it is all there."""
    head, *lines = text.removesuffix("\n").split("\n")
    if _decoded(head, FingerprintHeader, name, 1).reachprobe_fingerprints != VERSION:
        raise FingerprintError(_("{name}: written by another version of reachprobe; upgrade").format(name=name))
    if (
        not lines
        or not lines[-1].startswith('{"prints":')
        or _decoded(lines[-1], FingerprintFooter, name, 0).prints != len(lines) - 1
    ):
        raise FingerprintError(_("{name}: truncated; download it again").format(name=name))
    for number, line in enumerate(lines[:-1], 2):
        try:
            yield FingerprintRow(number, (msgspec.json.decode(line, type=Fingerprint),))
        except (msgspec.DecodeError, RecursionError) as error:
            yield FingerprintRow(number, problem=f"not readable: {str(error)[:100]}")


def write(prints: Iterable[Fingerprint]) -> Iterator[bytes]:
    """Line by line, each with its line feed."""
    yield msgspec.json.encode(FingerprintHeader(VERSION)) + b"\n"
    count = 0
    for one in prints:
        yield msgspec.json.encode(one) + b"\n"
        count += 1
    yield msgspec.json.encode(FingerprintFooter(count)) + b"\n"


def _decoded(line: str, kind: Any, name: str, number: int) -> Any:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise FingerprintError(
            _("{name}:{number}: not readable; download it again").format(name=name, number=number or _("last line"))
        ) from error
