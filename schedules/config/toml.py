"""Reads TOML into structs; every mistake is reported with its key and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from gettext import gettext as _
from gettext import ngettext
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from probe.text import bounded, system_reason
from results.i18n.language import active
from results.i18n.translator import Translator

T = TypeVar("T")

MAX_BYTES = 1024 * 1024
HEADER = re.compile(r"\s*(\[\[?)\s*([^\]#]+?)\s*\]")
KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[\w-]+)*)\s*=""")
MAX_KEY_PARTS = 64
MAX_WHAT = 1000
DEEP_KEY = re.compile(rf"""(?<![\w"'-])(?:[\w"'-]++[ \t]*+\.[ \t]*+){{{MAX_KEY_PARTS}}}""")
"""tomllib takes time by the square of a key's parts."""
COMPLAINT = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<where>.*)`)?", re.DOTALL)
EXPECTED = re.compile(
    r"Expected `(?P<kind>[^`]*)`"
    r"(?:, got `(?P<got>[^`]*)`| (?P<length>of length )?(?P<sign>[<>]=?) (?P<limit>[0-9.]+)| matching .*)?",
    re.DOTALL,
)
MISSING = re.compile(r"Object missing required field `(?P<key>.*)`", re.DOTALL)
BAD_VALUE = re.compile(r"Invalid enum value (?P<value>.*)", re.DOTALL)
LIMITS = {">=": "at_least", "<=": "at_most", ">": "more_than", "<": "less_than"}
UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>.*)`", re.DOTALL)

Keys = tuple[str | int, ...]


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names file, line and key."""


def read(path: Path) -> str:
    """The text of a file. Raises ConfigError if it cannot be read."""
    try:
        if path.stat().st_size > MAX_BYTES:
            says = _("{path}: too large; a configuration has at most {size} bytes")
            raise ConfigError(says.format(path=path, size=MAX_BYTES))
        return path.read_text("utf-8")
    except OSError as error:
        says = _("{path}: cannot be read: {reason}; name another with --config")
        raise ConfigError(says.format(path=path, reason=system_reason(error))) from error
    except UnicodeDecodeError as error:
        says = _("{path}: not UTF-8 text (byte {number})")
        raise ConfigError(says.format(path=path, number=error.start)) from error


def decode(text: str, path: Path, kind: type[T]) -> T:
    """TOML text as a struct of `kind`. Raises ConfigError for the first wrong key."""
    if (deep := DEEP_KEY.search(text)) is not None:
        says = ngettext("a key of more than {count} part", "a key of more than {count} parts", MAX_KEY_PARTS)
        line = text.count("\n", 0, deep.start()) + 1
        raise ConfigError(f"{path}:{line}: {says.format(count=MAX_KEY_PARTS)}")
    try:
        return msgspec.convert(tomllib.loads(text), kind)
    except RecursionError as error:
        raise ConfigError(_("{path}: values nested too deeply").format(path=path)) from error
    except msgspec.ValidationError as error:
        what, keys = complaint(error)
        raise mistake(text, path, keys, what) from error
    except ValueError as error:  # a number of thousands of digits is a plain one
        found = re.search(r"at line (\d+)", str(error))
        what = bounded(re.sub(r" \(at .*\)", "", str(error)), MAX_WHAT)
        number = found.group(1) if found else text.count("\n") + 1
        says = _("{path}:{line}: not TOML: {error}")
        raise ConfigError(says.format(path=path, line=number, error=what)) from error


def mistake(text: str, path: Path, keys: Keys, what: str) -> ConfigError:
    """The error `what` about the key at `keys`, with its line."""
    return ConfigError(f"{path}:{line_of(text, keys)}: {bounded(dotted(keys))}: {bounded(what, MAX_WHAT)}")


def complaint(error: msgspec.ValidationError) -> tuple[str, Keys]:
    """The message of msgspec as what is wrong, and the key."""
    match = COMPLAINT.fullmatch(str(error))
    if match is None:
        return str(error), ()
    keys: list[str | int] = []
    for name, index in re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", match["where"] or ""):
        keys.append(int(index) if index else name)
    unknown = UNKNOWN.fullmatch(match["what"])
    if unknown is not None:
        return _("no such key"), (*keys, unknown["key"])
    return _plainly(match["what"]), tuple(keys)


def _plainly(what: str) -> str:
    """A message of msgspec in plain words."""
    words = Translator(active())
    if (missing := MISSING.fullmatch(what)) is not None:
        return words.say("mistake.missing", name=missing["key"])
    if (unknown := BAD_VALUE.fullmatch(what)) is not None:
        return words.say("mistake.value", value=unknown["value"])
    found = EXPECTED.fullmatch(what)
    if found is None:
        return what.replace("`", "")
    if found["got"] is not None:
        return words.say("mistake.kind", wanted=_kinds(found["kind"], words), got=_kinds(found["got"], words))
    if found["limit"] is None:
        return words.say("mistake.form")
    name = f"{found['kind']}_{LIMITS[found['sign']]}" if found["length"] else LIMITS[found["sign"]]
    return words.say(f"mistake.{name}", limit=found["limit"].removesuffix(".0"), count=int(float(found["limit"])))


def _kinds(names: str, words: Translator) -> str:
    return " / ".join(words.term("value_kind", name) for name in names.split(" | ") if name != "null")


def dotted(keys: Keys) -> str:
    """A key as text, such as `service[1].name`, with lists counted from one."""
    return "".join(f"[{key + 1}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".") or _("the file")


def line_of(text: str, keys: Keys) -> int:
    """The line, counted from one, of the key at `keys`, or of the nearest table or key around it."""
    best, best_length = 1, 0
    for number, at in _keys_by_line(text):
        common = 0
        while common < min(len(at), len(keys)) and at[common] == keys[common]:
            common += 1
        if common == len(at) and common > best_length:
            best, best_length = number, common
    return best


def _keys_by_line(text: str) -> Iterator[tuple[int, Keys]]:
    table: Keys = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := HEADER.match(line):
            name = header[2]
            table = _split(name)
            if header[1] == "[[":
                counts[name] = counts.get(name, -1) + 1
                table = (*table, counts[name])
            yield number, table
        elif key := KEY.match(line):
            yield number, (*table, *_split(key[1]))


def _split(name: str) -> Keys:
    return tuple(part.strip().strip("\"'") for part in name.split("."))


def from_words(text: str, kind: Any) -> Any:
    """The value of an environment variable as `kind`; lists are separated by commas, an empty one is empty.

    Raises msgspec.ValidationError for a value that is not of that kind.
    """
    value: Any = text
    if "tuple" in str(kind):
        value = [word.strip() for word in text.split(",") if word.strip()]
    return msgspec.convert(value, kind, strict=False)
