"""Measure URLs, hosts or services now."""

from __future__ import annotations

from gettext import gettext as _

import click

from schedules.cli._app import App
from schedules.render.output import talk


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="TARGET…")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per measurement.")
@click.option("--dry-run", is_flag=True, help="List the hosts that would be contacted, without contacting any.")
@click.option("--path", "path", metavar="NAME", help="Path to measure via: direct, or a [[path]] of the configuration.")
@click.option("--via", metavar="NAME,…", help="Also measure via these paths and compare with direct.")
@click.option("--anyway", is_flag=True, help="Include targets excluded by [care] leave_out.")
@click.option("--by", type=click.Choice(["target", "service"]), default="target", help="Add a summary row per service.")
@click.pass_obj
def check(
    app: App,
    targets: tuple[str, ...],
    as_json: bool,
    dry_run: bool,
    path: str | None,
    via: str | None,
    anyway: bool,
    by: str,
) -> int:
    """Measure each TARGET now and print the verdict.

    A TARGET is a URL, a host, scheme://host:port or the name of a service such as wechat.
    """
    from probe.net.path import usable
    from schedules.cli import _rounds
    from schedules.plan.model import Choice
    from schedules.plan.selection import from_words, refuse_excluded, vpn_warning

    if path is not None and via is not None:
        raise click.UsageError(_("give either --path or --via"))
    config = app.config()
    names = _via(via) if via is not None else [path or "direct"]
    chosen = from_words(targets, config)
    if not anyway:
        refuse_excluded(chosen, config, app.database)
    if warning := vpn_warning(chosen, config):
        talk(warning, quiet=app.quiet)
    for name in names:
        usable(config.path_named(name))
    choices = [Choice(chosen, name) for name in names]
    if dry_run:
        return _rounds.dry_run(config, choices, as_json=as_json)
    return _rounds.measure_with_consent(
        app, config, choices, _rounds.OutputOptions(as_json, by == "service", via is not None)
    )


def _via(text: str) -> list[str]:
    """Direct first, then the named paths, each once."""
    named = [name for name in text.split(",") if name]
    if not named:
        raise click.UsageError(_("--via names no path"))
    return list(dict.fromkeys(("direct", *named)))
