"""Check this installation and network, and suggest fixes."""

from __future__ import annotations

import click
import msgspec

from probe.text import safe
from results.i18n.language import ENGLISH, activate
from schedules.cli._app import App
from schedules.render.output import out, paragraph, print_json
from schedules.runtime.paths import config_file

SIGNS = {"fine": ("✓", "green"), "worth knowing": ("!", "yellow"), "wrong": ("✗", "bold red")}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per check.")
@click.pass_obj
def doctor(app: App, as_json: bool) -> int:
    """Check everything a round needs, one line per check.

    Reference sites are contacted only if consent is recorded.
    """
    from rich.text import Text

    from schedules.doctor import examine

    if as_json:
        activate(ENGLISH)
    code = 0
    console = None if as_json else out()
    for result in examine(app.config, config_file(app.environ, app.config_file), app.database, app.environ):
        code = max(code, result.exit_code)
        if console is None:
            print_json({key: value for key, value in msgspec.to_builtins(result).items() if key != "exit_code"})
            continue
        sign, style = SIGNS[result.state]
        said = f"{sign} {result.title}: {safe(result.says)}"
        line = Text(paragraph(said, console.width) if console.is_terminal else said)
        line.stylize(style, 0, 1)
        console.print(line, soft_wrap=True)
    return code
