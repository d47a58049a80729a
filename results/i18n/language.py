"""The language that a person reads: chosen by an option, the configuration or the locale, and set for gettext."""

from __future__ import annotations

import gettext
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

DOMAIN = "reachprobe"
FOLDER = Path(__file__).parent / "locale"
ENGLISH = "en"
LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


@cache
def languages() -> tuple[str, ...]:
    """English, and every language with a catalogue."""
    return (ENGLISH, *sorted(path.parents[1].name for path in FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")))


def chosen(environ: Mapping[str, str], *wanted: str | None) -> str:
    """The first known one of `wanted`, of LANGUAGE (as GNU gettext reads it) and of the locale; else English."""
    locale = next((environ[name] for name in LOCALE_VARIABLES if environ.get(name)), "C")
    plain = locale.split(".")[0] in ("C", "POSIX")
    preferred = [] if plain else [*environ.get("LANGUAGE", "").split(":"), locale]
    tags = (tag.replace("-", "_").split(".")[0].split("_")[0].lower() for tag in [*filter(None, wanted), *preferred])
    return next((tag for tag in tags if tag in languages()), ENGLISH)


def activate(language: str) -> None:
    """Make `gettext.gettext` of this process, and click's own messages, speak this language."""
    os.environ["LANGUAGE"] = language
    gettext.bindtextdomain(DOMAIN, str(FOLDER))
    gettext.textdomain(DOMAIN)


def active() -> str:
    """The language that `activate` set, else English."""
    language = os.environ.get("LANGUAGE", ENGLISH)
    return language if gettext.textdomain() == DOMAIN and language in languages() else ENGLISH


@cache
def translations(language: str) -> gettext.NullTranslations:
    """The catalogue of a language; English needs none."""
    return gettext.translation(DOMAIN, FOLDER, [language], fallback=True)
