"""The command-line reference from click: `python -m tests.cli_docs > docs/cli.md`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from schedules.cli import DIFFERENT, INTERRUPTED, LOCKED, NO_NETWORK, OK, USAGE, group

HEAD = """# Command line

    reachprobe [OPTIONS] COMMAND [ARGS]…

Results go to stdout, messages to stderr. `--json` prints one line of JSON per row; the keys are stable and explained in
[the codebook](codebook.md). Options for every command stand before its name: `reachprobe --db hub.db results list`.
Colour and progress bars appear on a terminal only, and `NO_COLOR` is respected. Every command has `--help`.

This page is generated from the program: `python -m tests.cli_docs > docs/cli.md`.
"""
EXIT_CODES = {
    OK: "It ran. A blocked target is not an error.",
    DIFFERENT: "`--fail-on-difference` was given, and there is a difference.",
    USAGE: "Bad usage, configuration or input; also a file in which nothing could be read.",
    NO_NETWORK: "No usable network.",
    LOCKED: "Another round is running and holds the lock.",
    INTERRUPTED: "Interrupted by Ctrl-C. Finished measurements are kept.",
    143: "Stopped by SIGTERM. Finished measurements are kept.",
}


def as_markdown() -> str:
    """docs/cli.md."""
    lines = [HEAD, "## Exit codes\n", "| code | meaning |", "|---:|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    lines += ["\n## Options for every command\n"]
    root = click.Context(group, info_name="reachprobe")
    lines += _options(root)
    for name in group.list_commands(root):
        lines += _command(_child(root, name), level=2)
    return "\n".join(lines)


def _child(parent: click.Context, name: str) -> click.Context:
    command = parent.command
    assert isinstance(command, click.Group)
    found = command.get_command(parent, name)
    assert found is not None
    return click.Context(found, parent=parent, info_name=name)


def _command(context: click.Context, level: int) -> Iterator[str]:
    command = context.command
    yield f"\n{'#' * level} {context.command_path}\n"
    yield f"    {context.command_path} {' '.join(command.collect_usage_pieces(context))}\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    yield from _options(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = _child(context, name)
            if not child.command.hidden:
                yield from _command(child, level + 1)


def _options(context: click.Context) -> Iterator[str]:
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record is not None and "--help" not in parameter.opts:
            yield f"- `{record[0]}`: {record[1]}"


if __name__ == "__main__":
    print(as_markdown())
