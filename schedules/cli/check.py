"""Measure these URLs, hosts or services now and say what is found."""

from __future__ import annotations

import click

from schedules.app import App


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="TARGET…")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each measurement.")
@click.option("--dry-run", is_flag=True, help="List every host that would be contacted, and contact none.")
@click.option("--path", "path", default="direct", metavar="NAME", help="How packets leave: direct, or a [[path]].")
@click.option("--by", type=click.Choice(["target", "service"]), default="target", help="Also say it of each service.")
@click.pass_obj
def check(app: App, targets: tuple[str, ...], as_json: bool, dry_run: bool, path: str, by: str) -> int:
    """Measure each TARGET now and say what is found.

    A TARGET is a URL, a host, scheme://host:port, or the name of a service, such as wechat.
    """
    from schedules.choose import Choice, from_words
    from schedules.cli import _perform

    config = app.config()
    config.path_named(path)
    choices = [Choice(from_words(targets, config), path)]
    if dry_run:
        return _perform.dry_run(config, choices, as_json=as_json)
    return _perform.perform(app, config, choices, as_json=as_json, by_service=by == "service")
