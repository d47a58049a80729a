"""Set up reachprobe: explain the risks, ask for consent, write a configuration."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from gettext import gettext as _
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from probe.timestamps import rfc3339
from results.i18n.language import active
from schedules.cli._app import App
from schedules.cli._register import tell
from schedules.runtime.paths import config_file, usual_config_file

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import Config


class Enrolment(msgspec.Struct, frozen=True):
    """The options. The invitation is never printed."""

    url: str
    invitation: str
    pin: str | None

    def toml(self) -> str:
        """The configuration tables for the hub."""
        pins = f"pins = [{json.dumps(self.pin)}]\n" if self.pin else ""
        return f"[hub]\nurl = {json.dumps(self.url)}\n{pins}\n[control]\nhub = {json.dumps(self.url)}\n"


@click.command()
@click.option("--name", metavar="NAME", help="Name of this vantage point, stored in every record.")
@click.option("--country", metavar="CC", help="Country (ISO 3166, such as RU); decides which registers apply.")
@click.option("--asn", metavar="NUMBER", type=click.IntRange(1, 4294967295), help="AS number of this network.")
@click.option("--hub", "hub_url", metavar="URL", help="Enrol with a group's hub; new results are uploaded there.")
@click.option("--invitation", metavar="TOKEN", help="Invitation from the group.")
@click.option(
    "--pin", metavar="HEX", help="SHA-256 of the hub's public key, for a certificate without a trusted issuer."
)
@click.option(
    "--fingerprints", "lists", is_flag=True, help="Download OONI's and Censored Planet's lists of block pages."
)
@click.option("--yes", is_flag=True, help="Agree without a prompt (for scripts).")
@click.pass_obj
def init(
    app: App,
    name: str | None,
    country: str | None,
    asn: int | None,
    hub_url: str | None,
    invitation: str | None,
    pin: str | None,
    lists: bool,
    yes: bool,
) -> None:
    """Explain what is contacted, stored and visible to others; record consent; write a configuration.

    An existing configuration is not changed.
    """
    from schedules.round import consent

    asked = _enrolment(hub_url, invitation, pin)
    name = name or app.vantage
    there = config_file(app.environ, app.config_file)
    target = there or usual_config_file()
    config = app.config() if target.exists() else None
    with app.store() as store:
        if yes:
            consent.show()
            consent.record(store, shown_in=active())
        elif sys.stdin.isatty() and sys.stderr.isatty():
            consent.ask(store)
            if config is None:
                name = name or _asked(_("Name of this vantage point"), "home")
                country = country or _asked(_("Country (two letters such as RU; Enter to skip)"), "")
        else:
            raise consent.NoConsent(
                _("no terminal to ask for consent; `reachprobe init --yes` prints the text and agrees")
            )
        click.echo(_("Consent saved (version {version}).").format(version=consent.TEXT_VERSION))
        if asked is not None:
            called = _enrol(asked, config, store)
            name = name or called
            sentence = _("Enrolled with {url} as {name}; new results are uploaded there.")
            tell(sentence.format(url=asked.url, name=called))
        if config is not None:
            tell(_("{path} already exists; not changed.").format(path=target))
            if asked is not None and config.hub.url != asked.url:
                click.echo(_("To start uploading, add to it:") + f"\n\n{asked.toml()}")
        else:
            _write(target, name, country, asn, asked)
            tell(_("Wrote {path} (all keys: docs/configuration.md).").format(path=target))
    _offer_lists(app, lists)


def _offer_lists(app: App, wanted: bool) -> None:
    """Download the published lists of block pages if wanted; otherwise print how, if there are none yet."""
    from results.fingerprints import collection
    from schedules.cli._fingerprint_lists import take_in

    if wanted:
        gathered = take_in(collection.PUBLISHED, app.config(), app.database)
        click.echo(_("Imported block-page fingerprints: {count}.").format(count=len(gathered.collection.prints)))
    elif not collection.place(app.database).exists():
        tell(
            _(
                "To recognise more block pages, download OONI's and Censored Planet's lists:"
                " `reachprobe fingerprints update --published`"
            )
        )


def _asked(question: str, default: str) -> str:
    return str(click.prompt(question, default=default, show_default=bool(default), err=True)).strip()


def _write(path: Path, name: str | None, country: str | None, asn: int | None, asked: Enrolment | None) -> None:
    """Write a small configuration, after checking that it can be read."""
    from schedules.config.schema import Config
    from schedules.config.toml import ConfigError, decode

    lines = ["[vantage]", f"name = {json.dumps(name or 'home')}"]
    code = json.dumps(country.upper()) if country else None
    lines.append(f"country = {code}" if code else '# country = "RU"     # ' + _("which registers apply"))
    lines.append(f"asn = {asn}" if asn else "# asn = 12389        # " + _("the network's AS number"))
    text = "\n".join(lines) + "\n" + (f"\n{asked.toml()}" if asked else "")
    decode(text, path, Config)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        sentence = _("{path}: cannot be written: {error}; name another with --config")
        raise ConfigError(sentence.format(path=path, error=error.strerror)) from error


def _enrolment(url: str | None, invitation: str | None, pin: str | None) -> Enrolment | None:
    """The validated options; None where none is given."""
    from probe.http.api_client import server_of

    if url is None and invitation is None and pin is None:
        return None
    if url is None or invitation is None:
        raise click.UsageError(_("--hub and --invitation go together"))
    if pin is not None and not re.fullmatch("[0-9a-f]{64}", pin):
        raise click.UsageError(_("--pin must be the SHA-256 of a public key: 64 hexadecimal digits"))
    try:
        server_of(url)
    except ValueError as error:
        raise click.UsageError(f"--hub {error}") from error
    return Enrolment(url.rstrip("/"), invitation, pin)


def _enrol(asked: Enrolment, config: Config | None, store: Store) -> str:
    """Enrol, and store the token in the database, readable by its owner only. Returns the name that the hub gave."""

    from probe.http.api_client import NotAnswered
    from results.db import upload_queue
    from schedules.config.schema import Config as Defaults
    from schedules.hub_client.client import HubClient, HubRefused, NotEnrolled, way_of
    from schedules.runtime import process

    way = way_of(config or Defaults())
    if asked.pin is not None:
        way = msgspec.structs.replace(way, pins=(asked.pin,))
    try:
        given = process.run_async(HubClient(asked.url, way).enrol(asked.invitation))
    except NotAnswered as error:
        sentence = _("{error}; nothing was changed, try again when the hub is reachable")
        raise HubRefused(sentence.format(error=error)) from error
    except NotEnrolled as error:
        sentence = _("{url}: the invitation is invalid, used or expired; ask the group for a new one")
        raise HubRefused(sentence.format(url=asked.url)) from error
    store.path.chmod(0o600)
    now = rfc3339(datetime.now(UTC), "seconds")
    upload_queue.enrol(store, asked.url, given.name, given.token, now)
    return given.name
