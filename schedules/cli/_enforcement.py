"""`results enforcement`: how many hours from a register's listing to the block, network by network."""

from __future__ import annotations

from contextlib import closing

import click

from schedules.cli._app import App


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each target, register and network.")
@click.pass_obj
def enforcement(app: App, as_json: bool) -> None:
    """Say how many hours pass from listing to blocking, by network.

    Only what is surely blocked counts (confirmed or probable). The hours are at least and at most so many: what was
    measured seldom, or listed on a day without an hour, is known less exactly.
    """
    from results.aggregate.enforcement import by_network, of_database
    from schedules.render.enforcement import networks, targets
    from schedules.render.output import out, print_json, talk

    with closing(app.store(must_exist=True)) as store:
        found = of_database(store.db)
    if as_json:
        for one in found:
            print_json(one)
        return
    if not found:
        talk("nothing that was measured is listed in a register; `reachprobe register import FILE` reads one")
        return
    console = out()
    console.print(networks(by_network(found)))
    console.print()
    shown, left = targets(found)
    console.print(shown)
    if left:
        console.print(f"… and {left} more; --json has all")
