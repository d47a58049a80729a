"""Say what this does, ask for consent, and write the configuration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schedules.cli._app import App

if TYPE_CHECKING:
    from schedules.cli._enrol import Enrolment


@click.command()
@click.option("--name", metavar="NAME", help="What to call this place; it stands in every record.")
@click.option("--country", metavar="CC", help="The country (ISO 3166, such as RU): which registers apply.")
@click.option("--asn", metavar="NUMBER", type=click.IntRange(1, 4294967295), help="The network's AS number.")
@click.option("--hub", "hub_url", metavar="URL", help="Enrol with a group's hub: results are sent there from then on.")
@click.option("--invitation", metavar="TOKEN", help="What the group gave you for that.")
@click.option("--pin", metavar="HEX", help="SHA-256 of the hub's public key, where no authority vouches for it.")
@click.option("--yes", is_flag=True, help="Agree without being asked, for scripts.")
@click.pass_obj
def init(
    app: App,
    name: str | None,
    country: str | None,
    asn: int | None,
    hub_url: str | None,
    invitation: str | None,
    pin: str | None,
    yes: bool,
) -> None:
    """Explain what is contacted, what others can see and what is stored; record the answer; write a configuration.

    A configuration that is already there is left as it is.
    """
    from schedules.cli._enrol import enrol, enrolment
    from schedules.round import consent
    from schedules.runtime.paths import config_file, usual_config_file

    asked = enrolment(hub_url, invitation, pin)
    name = name or app.vantage
    there = config_file(app.environ, app.config_file)
    target = there or usual_config_file()
    config = app.config() if target.exists() else None
    store = app.store()
    try:
        if yes:
            click.echo(consent.TEXT, err=True)
            consent.record(store)
        elif sys.stdin.isatty() and sys.stderr.isatty():
            consent.ask(store)
            if config is None:
                name = name or _asked("What shall this place be called in the records?", "home")
                country = country or _asked("Which country is it in (two letters, empty if you will not say)?", "")
        else:
            raise consent.NoConsent("there is no terminal to ask on; `reachprobe init --yes` agrees to what it prints")
        click.echo(f"Agreed to text {consent.TEXT_VERSION}, recorded in {app.database}")
        if asked is not None:
            called = enrol(asked, config, store)
            name = name or called
            click.echo(f"Enrolled with {asked.url} as {called}; what is measured from now on is sent there")
        if config is not None:
            click.echo(f"{target} is there already and stays as it is")
            if asked is not None and (lines := asked.missing_in(config)):
                click.echo(f"Nothing is sent before it says:\n\n{lines}")
            return
        _write(target, name, country, asn, asked)
        click.echo(f"Wrote {target}; every key is in docs/configuration.md")
    finally:
        store.close()


def _asked(question: str, default: str) -> str:
    return str(click.prompt(question, default=default, show_default=bool(default), err=True)).strip()


def _write(path: Path, name: str | None, country: str | None, asn: int | None, asked: Enrolment | None) -> None:
    """A small configuration that has been read back before it stands there."""
    from schedules.config.schema import Config
    from schedules.config.toml import ConfigError, decode

    text = _text(name, country.upper() if country else None, asn) + (f"\n{asked.toml()}" if asked else "")
    decode(text, path, Config)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}; name another with --config") from error


def _text(name: str | None, country: str | None, asn: int | None) -> str:
    import json

    lines = ["[vantage]", f"name = {json.dumps(name or 'home')}"]
    lines.append(f"country = {json.dumps(country)}" if country else '# country = "RU"     # which registers apply')
    lines.append(f"asn = {asn}" if asn else "# asn = 12389        # the network's AS number")
    return "\n".join(lines) + "\n"
