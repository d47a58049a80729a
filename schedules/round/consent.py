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
What reachprobe does, and what it may cost you

It connects from this machine to the services and sites you tell it to
measure, some of which may be forbidden where you live. It looks up their
names, connects, and fetches their first page, as a browser would. To tell a
block from a broken network it also contacts a few well-known sites, and it
asks resolvers abroad for a second opinion. Sites of VPN services are left out
where using a VPN may be an offence, if the configuration says which country
you are in; it may also leave out other kinds of sites, and cap the data that
a month may cost.

Whoever watches your line (your provider, your employer, the state) can see
that you contacted these names and addresses, and when, and that many at once
look like a test. In some countries that can bring you trouble. A VPN or proxy
that is set as the control carries the same requests by that way. A list or a
register that the configuration names is fetched from its publisher, who sees
your address as any web site does.

Stored, on this machine only, in one folder: what was asked and answered,
times, certificates, and page text where something was odd; lists, registers
and fingerprints; that you agreed, and when; and a code for each network that
you measured on, which means nothing elsewhere. Not stored: your address, your
name, this machine's name. Nothing is sent to anybody.

Only if you name somebody under [[notify]] in the configuration: then what has
changed is sent there, by this machine's usual way out. Whoever runs that
service, and whoever watches your line, can see that this program runs here.

Only if you enrol with a group's hub (`init --hub`): then every result from
then on, as a whole record, is sent there under the name that the group gave
this vantage, and what seems blocked is asked of it, while the configuration
names it. Not sent: the code for your network, and hosts of your own network.
Whoever runs the hub sees your address, and your results, and may publish
these; whoever watches your line can see that you contact the hub, and when.
What was sent cannot be taken back.

`reachprobe check --dry-run` and `run --dry-run` list every host that would be
contacted, and contact none. `reachprobe pause` stops for a while what a
schedule does; `reachprobe wipe` removes what is stored, but not what others
have seen.
"""


class NoConsent(ValueError):
    """Consent is missing; the message says how to give it."""


def ensure(environ: Mapping[str, str], store: Store) -> None:
    """Return if consent is recorded, set in the environment, or given now on a terminal; else raise NoConsent."""
    if agreed(environ, store):
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NoConsent("nobody has agreed to measure here; run `reachprobe init` once, or set REACHPROBE_CONSENT=yes")
    ask(store)


def agreed(environ: Mapping[str, str], store: Store, purpose: int = MEASURING) -> bool:
    """Whether consent covers this purpose."""
    return environ.get("REACHPROBE_CONSENT", "").lower() == "yes" or (store.consent() or 0) >= purpose


def reason_not_to_notify(environ: Mapping[str, str], store: Store) -> str | None:
    """Why notifications may not be sent; None if consent covers them and nothing is paused."""
    if not agreed(environ, store, NOTIFYING):
        return "nobody is told: what was agreed to did not speak of [[notify]] yet; `reachprobe init` explains and asks"
    from results.db.store import paused

    if paused(store.db, rfc3339(datetime.now(UTC))) is not None:
        return "nobody is told while measuring pauses; `reachprobe resume` ends that"
    return None


def reason_not_to_upload(environ: Mapping[str, str], store: Store) -> str | None:
    """Why no hub may be contacted; None if consent covers it."""
    if agreed(environ, store, UPLOADING):
        return None
    return (
        "nothing is sent to the hub: what was agreed to did not speak of that yet; `reachprobe init` explains and asks"
    )


def ask(store: Store) -> None:
    """Print the text, ask, and record a yes; raise NoConsent for any other answer."""
    print(TEXT, file=sys.stderr)
    print("Do you agree? Type yes: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("yes", "y"):
        raise NoConsent("not agreed, so nothing was contacted; `reachprobe init` asks again")
    record(store)


def record(store: Store) -> None:
    store.record_consent(TEXT_VERSION, rfc3339(datetime.now(UTC), "seconds"))
