"""One round of what is due. What cron and the timer call."""

from __future__ import annotations

import click

from schedules.app import App


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each measurement.")
@click.option("--dry-run", is_flag=True, help="List every host that would be contacted, and contact none.")
@click.option("--by", type=click.Choice(["target", "service"]), default="target", help="Also say it of each service.")
@click.pass_obj
def run(app: App, as_json: bool, dry_run: bool, by: str) -> int:
    """One round over the configured campaigns; without any, over the configured services, else the built-in ones."""
    from schedules.choose import from_campaigns
    from schedules.cli import _perform

    config = app.config()
    choices = from_campaigns(config)
    if dry_run:
        return _perform.dry_run(config, choices, as_json=as_json)
    return _perform.perform(app, config, choices, as_json=as_json, by_service=by == "service")
