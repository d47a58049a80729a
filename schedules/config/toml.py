"""Reads TOML into structs; every mistake is reported with its key and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from probe.text import bounded

T = TypeVar("T")

MAX_BYTES = 1024 * 1024
HEADER = re.compile(r"\s*(\[\[?)\s*([^\]#]+?)\s*\]")
KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[\w-]+)*)\s*=""")
MAX_KEY_PARTS = 64
MAX_WHAT = 1000
DEEP_KEY = re.compile(rf"""(?<![\w"'-])(?:[\w"'-]++[ \t]*+\.[ \t]*+){{{MAX_KEY_PARTS}}}""")
"""tomllib takes time by the square of a key's parts."""
COMPLAINT = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<where>.*)`)?", re.DOTALL)
UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>.*)`", re.DOTALL)

Keys = tuple[str | int, ...]


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names file, line and key."""


def read(path: Path) -> str:
    """The text of a file. Raises ConfigError if it cannot be read."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: too large; a configuration has at most {MAX_BYTES} bytes")
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; name another with --config") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from error


def decode(text: str, path: Path, kind: type[T]) -> T:
    """TOML text as a struct of `kind`. Raises ConfigError for the first wrong key."""
    if (deep := DEEP_KEY.search(text)) is not None:
        raise ConfigError(
            f"{path}:{text.count(chr(10), 0, deep.start()) + 1}: a key of more than {MAX_KEY_PARTS} parts"
        )
    try:
        return msgspec.convert(tomllib.loads(text), kind)
    except RecursionError as error:
        raise ConfigError(f"{path}: values nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        what = re.sub(r" \(at .*\)", "", str(error))
        number = line.group(1) if line else str(text.count("\n") + 1)
        raise ConfigError(f"{path}:{number}: not TOML: {bounded(what, MAX_WHAT)}") from error
    except msgspec.ValidationError as error:
        what, keys = complaint(error)
        raise mistake(text, path, keys, what) from error


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
        return "no such key", (*keys, unknown["key"])
    return match["what"].replace("`", ""), tuple(keys)


def dotted(keys: Keys) -> str:
    """A key as text, such as `service[1].name`, with lists counted from one."""
    return "".join(f"[{key + 1}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".") or "the file"


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
