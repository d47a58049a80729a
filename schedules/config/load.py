"""Loads the configuration: the file, over it the environment, over that the command line's options."""

from __future__ import annotations

from collections.abc import Mapping
from gettext import gettext as _
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from schedules.config.checks import mistakes
from schedules.config.schema import Config, ConfigTable
from schedules.config.toml import ConfigError, complaint, decode, dotted, from_words, mistake, read


def load(path: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> Config:
    """The file at `path` (None: no file), then REACHPROBE_SECTION_KEY of `environ`, then `flags` by dotted key.

    Raises ConfigError, which names the first wrong key and its line.
    """
    text = read(path) if path is not None else ""
    where = path or Path("configuration")
    config = decode(text, where, Config)
    known = variables()
    for variable, (section, key, kind) in known.items():
        if variable in environ:
            try:
                value = from_words(environ[variable], kind)
            except msgspec.ValidationError as error:
                raise ConfigError(f"{variable}={environ[variable]!r}: {complaint(error)[0]}") from error
            config = _with(config, section, key, value)
    prefixes = tuple({f"REACHPROBE_{section}_".upper() for section, _, _ in known.values()})
    for variable in sorted(environ):
        if variable.startswith(prefixes) and variable not in known:
            raise ConfigError(_("{key}: no such key; docs/configuration.md lists them").format(key=variable))
    for dotted_key, value in flags.items():
        section, key, kind = known[f"REACHPROBE_{dotted_key}".upper().replace(".", "_")]
        try:
            value = msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{dotted_key} = {value!r}: {complaint(error)[0]}") from error
        config = _with(config, section, key, value)
    for keys, what in mistakes(config):
        raise mistake(text, where, keys, what) if path is not None else ConfigError(f"{dotted(keys)}: {what}")
    return config


def variables() -> dict[str, tuple[str, str, Any]]:
    """Every environment variable that sets a key: its section, key and type."""
    found: dict[str, tuple[str, str, Any]] = {}
    for section, kind in get_type_hints(Config, include_extras=True).items():
        if isinstance(kind, type) and issubclass(kind, ConfigTable):
            for key, key_kind in get_type_hints(kind, include_extras=True).items():
                found[f"REACHPROBE_{section}_{key}".upper()] = (section, key, key_kind)
    return found


def _with(config: Config, section: str, key: str, value: Any) -> Config:
    table = msgspec.structs.replace(getattr(config, section), **{key: value})
    return msgspec.structs.replace(config, **{section: table})
