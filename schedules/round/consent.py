"""The consent text, and whether a volunteer has agreed to it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from probe.timestamps import rfc3339

if TYPE_CHECKING:
    from results.db.store import Store

TEXT_VERSION = 4
MEASURING, NOTIFYING, UPLOADING = 1, 2, 4
"""The version of the text that first covered each purpose."""
TEXT = """\
Before you measure: the risks

Your provider, employer or government can see which names and addresses this
machine contacts, and when, and that many at once look like a test. Some may be
forbidden where you live. In some countries this can get you into trouble.

It connects to the sites and services you choose and loads their first page,
like a browser; also to a few reference sites and to DNS resolvers abroad. A VPN
or proxy set as control carries the same requests. Configured lists are
downloaded from their publishers, who see your IP address. If the configuration
names a country where using a VPN may be illegal, VPN sites are skipped.

Stored in one folder on this machine: requests and answers, times, certificates,
pages that look abnormal, lists, your consent, and a code per network that means
nothing elsewhere. Not stored: your IP address, your name, this machine's name.

By default no result leaves this machine. Two options change that:
- [[notify]]: changes are sent to the service you name, over your normal
  connection. It and your provider can see that this program runs here.
- init --hub: every new result is uploaded in full to a group's hub, under this
  vantage point's name, and the hub is asked about targets that seem blocked.
  Not uploaded: the network code and hosts in your own network. The hub's
  operator sees your IP address and results and may publish the results; your
  provider sees when you contact the hub. What was uploaded cannot be recalled.

`check --dry-run` and `run --dry-run` list every host without contacting any.
`reachprobe pause` stops scheduled measurements. `reachprobe wipe` deletes what
is stored here, but not what others have seen.
"""


class NoConsent(ValueError):
    """Consent is missing; the message says how to give it."""


def ensure(environ: Mapping[str, str], store: Store) -> None:
    """Return if consent is recorded, set in the environment, or given now on a terminal; else raise NoConsent."""
    if agreed(environ, store):
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NoConsent("no consent recorded; run `reachprobe init` once, or set REACHPROBE_CONSENT=yes")
    ask(store)


def agreed(environ: Mapping[str, str], store: Store, purpose: int = MEASURING) -> bool:
    """Whether consent covers this purpose."""
    return environ.get("REACHPROBE_CONSENT", "").lower() == "yes" or (store.consent() or 0) >= purpose


def reason_not_to_notify(environ: Mapping[str, str], store: Store) -> str | None:
    """Why notifications may not be sent; None if consent covers them and nothing is paused."""
    if not agreed(environ, store, NOTIFYING):
        return "notifications are off: recorded consent predates [[notify]]; `reachprobe init` explains and asks"
    from results.db.store import paused

    if paused(store.db, rfc3339(datetime.now(UTC))) is not None:
        return "notifications are off while measuring is paused; `reachprobe resume` continues"
    return None


def reason_not_to_upload(environ: Mapping[str, str], store: Store) -> str | None:
    """Why no hub may be contacted; None if consent covers it."""
    if agreed(environ, store, UPLOADING):
        return None
    return "uploads are off: recorded consent predates [hub]; `reachprobe init` explains and asks"


def ask(store: Store) -> None:
    """Print the text, ask, and record a yes; raise NoConsent for any other answer."""
    print(TEXT, file=sys.stderr)
    print("Do you agree? Type yes: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("yes", "y"):
        raise NoConsent("no consent given, nothing was contacted; `reachprobe init` asks again")
    record(store)


def record(store: Store) -> None:
    store.record_consent(TEXT_VERSION, rfc3339(datetime.now(UTC), "seconds"))
