"""The translators' catalogues: `python -m tests.catalogues` brings every .po up to date and compiles it.

`--missing [FOLDER]` lists the messages without a translation, of one folder if named. Messages come from gettext calls,
the English texts of pages and evidence, the help of every command, and messages of click and the operating system.
"""

from __future__ import annotations

import errno
import inspect
import os
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import click
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir, extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from results.i18n.language import DOMAIN, FOLDER
from results.judge.rules import TIERS, parse
from schedules.cli import group

ROOT = Path(__file__).parents[1]
PACKAGES = ("probe", "results", "schedules")
ENGLISH_TEXTS = "results/i18n/english"
RULES = "results/judge/rules"
KEYWORDS = DEFAULT_KEYWORDS | {"BadRecord": None}
"""Functions whose first argument is a message; a BadRecord is translated where it is shown."""
CLICK = ("core", "decorators", "exceptions", "formatting", "parser", "shell_completion", "termui", "types")
"""Modules of click with messages that our users see."""
SYSTEM_ERRORS = (
    errno.EACCES, errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.ECONNREFUSED, errno.EEXIST, errno.EIO, errno.EISDIR,
    errno.ELOOP, errno.EMFILE, errno.ENAMETOOLONG, errno.ENODEV, errno.ENOENT, errno.ENOSPC, errno.ENOTDIR, errno.EPERM,
    errno.EROFS,
)  # fmt: skip
"""Reasons of the operating system that `probe.text.system_reason` shows."""


class Message(NamedTuple):
    """A text to translate: with its plural as a pair, and the context that tells equal texts apart."""

    text: str | tuple[str, str]
    file: str
    context: str | None = None


def template() -> Catalog:
    """Every message of the program, without translations."""
    catalog = Catalog(charset="utf-8", project="reachprobe", creation_date=datetime(2026, 1, 1, tzinfo=UTC))
    for message in (
        *_from_code(),
        *_from_english_texts(),
        *_from_rules(),
        *_from_commands(),
        *_from_click(),
        *_from_system(),
    ):
        catalog.add(message.text, context=message.context, locations=[(message.file, 0)])
    return catalog


@cache
def brought_up_to_date(path: Path) -> Catalog:
    """The catalogue of one language with the messages of `template`; those that are gone are dropped."""
    with path.open("rb") as file:
        old = read_po(file, locale=path.parents[1].name)
    catalog = template()
    catalog.locale, catalog.fuzzy = old.locale, False
    for message in catalog:
        known = old.get(message.id, message.context) if message.id else None
        if known is not None and not known.fuzzy:
            message.string = known.string
    return catalog


def as_po(catalog: Catalog) -> bytes:
    """The text of the .po: sorted, without line numbers and dates, so that it changes only where messages do."""
    written = BytesIO()
    catalog.header_comment = f"# reachprobe in {catalog.locale}. docs/contributing.md explains how to translate.\n#"
    write_po(written, catalog, width=110, sort_output=True, include_lineno=False, omit_header=False)
    dates = ("POT-Creation-Date", "PO-Revision-Date", "Generated-By", "Report-Msgid", "Last-Translator", "Project-Id")
    lines = written.getvalue().decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(tuple(f'"{name}' for name in dates))).encode()


def as_mo(catalog: Catalog) -> bytes:
    """The compiled catalogue."""
    written = BytesIO()
    write_mo(written, catalog)
    return written.getvalue()


def catalogues() -> list[Path]:
    """The .po of every language."""
    return sorted(FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))


def untranslated(catalog: Catalog, folder: str = "") -> Iterator[tuple[str, str]]:
    """The file and text of each message without a translation, of files in `folder`."""
    for message in catalog:
        files = [file for file, _ in message.locations if file.startswith(folder)]
        texts = message.string if isinstance(message.string, tuple | list) else (message.string,)
        if message.id and files and not all(texts):
            yield files[0], str(message.id)


def _from_code() -> Iterator[Message]:
    for package in PACKAGES:
        for file, _, text, _, context in extract_from_dir(ROOT / package, [("**.py", "python")], keywords=KEYWORDS):
            yield Message(text, f"{package}/{file}", context)  # type: ignore[arg-type]


def _from_english_texts() -> Iterator[Message]:
    for path in sorted((ROOT / ENGLISH_TEXTS).glob("*.toml")):
        for table, texts in tomllib.loads(path.read_text("utf-8")).items():
            for name, text in texts.items():
                pair = (text[0], text[1]) if isinstance(text, list) else text
                yield Message(pair, f"{ENGLISH_TEXTS}/{path.name}", f"{table}.{name}")


def _from_rules() -> Iterator[Message]:
    yield from (Message(text, f"{RULES}/__init__.py", f"tier.{tier}") for tier, text in TIERS.items())
    for path in sorted((ROOT / RULES).glob("*.toml")):
        for rule in parse(path.read_text("utf-8")):
            yield Message(rule.says, f"{RULES}/{path.name}", f"rule.{rule.id}")


def _from_commands() -> Iterator[Message]:
    root = click.Context(group, info_name=DOMAIN)
    yield from _of_command(group, "schedules/cli/__init__.py")
    for name in group.list_commands(root):
        file = f"schedules/cli/{name.replace('-', '_')}.py"
        yield Message(group.summary(name), file)
        command = group.load(name)
        assert command is not None
        yield from _of_command(command, file)


def _of_command(command: click.Command, file: str) -> Iterator[Message]:
    texts = [command.help, command.short_help, command.epilog]
    texts += [parameter.help for parameter in command.params if isinstance(parameter, click.Option)]
    yield from (Message(inspect.cleandoc(text), file) for text in texts if text)
    if isinstance(command, click.Group):
        for sub in command.commands.values():
            yield from _of_command(sub, file)


def _from_click() -> Iterator[Message]:
    yield Message("required", "click/core.py")  # translated there, but not as a literal
    folder = Path(click.__file__).parent
    for name in CLICK:
        for _, text, _, context in extract_from_file("python", folder / f"{name}.py", DEFAULT_KEYWORDS):
            yield Message(text, f"click/{name}.py", context)  # type: ignore[arg-type]


def _from_system() -> Iterator[Message]:
    for code in SYSTEM_ERRORS:
        yield Message(os.strerror(code), "system/errno")


def main(arguments: list[str]) -> None:
    for path in catalogues():
        catalog = brought_up_to_date(path)
        path.write_bytes(as_po(catalog))
        path.with_suffix(".mo").write_bytes(as_mo(catalog))
        if arguments[:1] == ["--missing"]:
            for file, text in untranslated(catalog, *arguments[1:2]):
                print(f"{path.parents[1].name}  {file}: {text!r}")


if __name__ == "__main__":
    main(sys.argv[1:])
