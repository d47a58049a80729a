"""Run a demo against a simulated censored network on loopback (under a minute)."""

from __future__ import annotations

from datetime import UTC, datetime
from gettext import gettext as _

import click
import msgspec

from schedules.cli._app import App
from schedules.render.output import talk


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per measurement.")
@click.pass_obj
def demo(app: App, as_json: bool) -> int:
    """Run a demo against a simulated censored network on loopback, with a separate database.

    Needs no root, no internet and no consent: nothing outside this machine is contacted.
    """

    from results.registers import sample_path
    from results.registers.importing import ImportOptions, import_register
    from schedules.cli import _rounds
    from schedules.config.load import load
    from schedules.demo.network import run_in_thread
    from schedules.plan.selection import from_campaigns
    from schedules.runtime import lock, paths

    app = msgspec.structs.replace(app, db=app.db or paths.demo_database(app.environ))
    with run_in_thread() as network, lock.held(app.database):
        written = network.folder / "config.toml"
        written.write_text(network.config_toml(), encoding="utf-8")
        config = load(written, {}, {"vantage.name": app.vantage} if app.vantage else {})
        with app.store() as store:
            # The sample register is dated now, so that it is not too old to use.
            options = ImportOptions(name="demo", country="RU", updated=datetime.now(UTC))
            import_register(store.db, [sample_path()], options)
            code = _rounds.measure(app, config, from_campaigns(config), store, _rounds.OutputOptions(as_json))
    talk(_("Database: {path}").format(path=app.database), quiet=app.quiet)
    return code
