"""`results browse`: the database in a browser, for questions of one's own."""

from __future__ import annotations

import click

from schedules.cli._app import App


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="By default any that is free.")
@click.pass_obj
def browse(app: App, port: int) -> None:
    """Open the database in a browser on this machine: canned questions, facets, and SQL of one's own.

    Prints the address, and ends on Ctrl-C. Nothing can be changed there, and nobody beyond this machine can look;
    others who are logged in on it can, while it runs. Needs an extra: pip install 'reachprobe[browse]'.
    """
    from schedules.datasette_server import NoDatasette, NoPort, serve
    from schedules.render.output import talk

    def tell(address: str) -> None:
        click.echo(address)
        talk("open it in a browser; Ctrl-C ends it", quiet=app.quiet)

    app.store(must_exist=True).close()
    try:
        serve(app.database, port, tell)
    except (NoDatasette, NoPort) as error:
        raise click.ClickException(str(error)) from error
