"""The consent text, and whether a volunteer has agreed to it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from gettext import gettext as _
from textwrap import fill

from probe.timestamps import rfc3339
from results.db.store import Store
from results.i18n.language import active
from results.i18n.translator import Translator

TEXT_VERSION = 4
MEASURING, NOTIFYING, UPLOADING = 1, 2, 4
"""The version of the text that first covered each purpose."""
PARAGRAPHS = (("risk", "visible"), ("contacted", "stored", "stop"), ("sent", "notify", "hub"))
COLUMNS = 78


def text(language: str) -> str:
    """What a volunteer agrees to, in one screen."""
    say = Translator(language).say
    return "\n\n".join("\n".join(_wrapped(say(f"consent.{name}")) for name in names) for names in PARAGRAPHS)


def _wrapped(paragraph: str) -> str:
    indent = "  " if paragraph.startswith("- ") else ""
    return fill(paragraph, COLUMNS, subsequent_indent=indent, break_on_hyphens=False)


class NoConsent(ValueError):
    """Consent is missing; the message says how to give it."""


def ensure(environ: Mapping[str, str], store: Store) -> None:
    """Return if consent is recorded, set in the environment, or given now on a terminal; else raise NoConsent."""
    if agreed(environ, store):
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NoConsent(_("no consent recorded; run `reachprobe init` once, or set REACHPROBE_CONSENT=yes"))
    ask(store)


def agreed(environ: Mapping[str, str], store: Store, purpose: int = MEASURING) -> bool:
    """Whether consent covers this purpose."""
    return environ.get("REACHPROBE_CONSENT", "").lower() == "yes" or (store.consent() or 0) >= purpose


def reason_not_to_notify(environ: Mapping[str, str], store: Store) -> str | None:
    """Why notifications may not be sent; None if consent covers them and nothing is paused."""
    if not agreed(environ, store, NOTIFYING):
        return _("notifications are off: recorded consent predates [[notify]]; `reachprobe init` explains and asks")
    from results.db.store import paused

    if paused(store.db, rfc3339(datetime.now(UTC))) is not None:
        return _("notifications are off while measuring is paused; `reachprobe resume` continues")
    return None


def reason_not_to_upload(environ: Mapping[str, str], store: Store) -> str | None:
    """Why no hub may be contacted; None if consent covers it."""
    if agreed(environ, store, UPLOADING):
        return None
    return _("uploads are off: recorded consent predates [hub]; `reachprobe init` explains and asks")


def ask(store: Store) -> None:
    """Print the text, ask, and record a yes; raise NoConsent for any other answer."""
    say = Translator(active()).say
    show()
    print(say("consent.question"), end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip().lower()
    if answer not in {form for word in ("yes", say("consent.yes")) for form in (word, word[0])}:
        raise NoConsent(_("no consent given, nothing was contacted; `reachprobe init` asks again"))
    record(store, shown_in=active())


def show() -> None:
    """Print the text in the reader's language."""
    print(text(active()), end="\n\n", file=sys.stderr)


def record(store: Store, *, shown_in: str | None = None) -> None:
    """Record consent to the newest text, and the language in which it was shown, if it was."""
    store.record_consent(TEXT_VERSION, rfc3339(datetime.now(UTC), "seconds"), shown_in)
