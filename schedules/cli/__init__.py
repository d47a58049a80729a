"""The command line: global options, sub-commands found by their file, and errors in one line."""

from __future__ import annotations

import errno
import inspect
import os
import re
import sys
from copy import copy
from gettext import gettext as _
from importlib import import_module
from pathlib import Path

import click

from results.i18n.language import activate, languages
from schedules.cli._app import App, preferred_language

FOLDER = Path(__file__).parent
OK, DIFFERENT, USAGE, NO_NETWORK, LOCKED, INTERRUPTED = 0, 1, 2, 69, 75, 130

USER_ERRORS = frozenset(
    {
        "probe.target.BadTarget",
        "probe.net.path.BadPath",
        "probe.net.resolver.BadResolver",
        "probe.services.UnknownService",
        "results.fingerprints.fingerprint.FingerprintError",
        "results.registers.names.BadName",
        "results.registers.records.RegisterError",
        "results.db.connect.StoreError",
        "schedules.config.toml.ConfigError",
        "schedules.round.consent.NoConsent",
        "schedules.plan.model.BadChoice",
        "schedules.hub_client.client.HubRefused",
        "schedules.runtime.process.StoppedBySignal",
        "schedules.runtime.lock.Locked",
        "schedules.install.install.BadSchedule",
    }
)
"""Exceptions reported in one line. By name, so that none of their modules is imported at start."""


class Commands(click.Group):
    """Finds a sub-command by the file of its name, and imports that one alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(file.stem.replace("_", "-") for file in FOLDER.glob("[!_]*.py"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        return translated(self.load(cmd_name))

    def load(self, cmd_name: str) -> click.Command:
        """The command as written, in English."""
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"{__name__}.{name}"), name)
        return command

    def summary(self, cmd_name: str) -> str:
        """The first line of the command's module, in English."""
        return _first_line(cmd_name)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; the errors of a damaged database become one line."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            message = _(
                "too many open files; raise the limit with `ulimit -n 1024` in this shell,"
                " or LimitNOFILE=1024 in a systemd unit"
            )
            raise click.ClickException(message) from error
        except Exception as error:
            if _is_users(error) or not isinstance(ctx.obj, App) or (problem := _damage(ctx.obj, error)) is None:
                raise
            raise click.ClickException(problem) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, _(_first_line(name))) for name in self.list_commands(ctx)])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--db", type=click.Path(path_type=Path), help="Database file (default: in the state folder).")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Configuration file (TOML).")
@click.option("--vantage", metavar="NAME", help="Name of this vantage point in the records.")
@click.option("--language", type=click.Choice(languages()), help="Language of messages (default: the locale's).")
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
@click.option("-v", "--verbose", is_flag=True, help="Print more messages.")
@click.version_option(package_name="reachprobe", message="reachprobe %(version)s")
@click.pass_context
def group(
    ctx: click.Context,
    db: Path | None,
    config_file: Path | None,
    vantage: str | None,
    language: str | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Measure which sites and services are blocked here, and compare with the official block list."""
    if language is not None:
        activate(language)
    ctx.obj = App(
        environ=dict(os.environ), db=db, config_file=config_file, vantage=vantage, quiet=quiet, verbose=verbose
    )


def translated(command: click.Command) -> click.Command:
    """A copy of a command, its options and its sub-commands with their help in the active language."""
    command = copy(command)
    command.params = [copy(parameter) for parameter in command.params]
    for piece in (command, *command.params):
        for field in ("help", "short_help", "epilog"):
            if text := getattr(piece, field, None):
                setattr(piece, field, _(inspect.cleandoc(text)))
    if isinstance(command, click.Group):
        command.commands = {name: translated(sub) for name, sub in command.commands.items()}
    return command


def main(arguments: list[str] | None = None) -> None:
    """The console script. Leaves with the exit codes that scripts rely on, and never with a traceback for a mistake."""
    sys.exit(call(arguments))


def call(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    given = group.make_context("reachprobe", list(arguments), resilient_parsing=True).params
    activate(preferred_language(given, os.environ))
    strangers = foreign_packages()
    if strangers:
        sentence = _("{packages} comes from another package; install reachprobe separately, as pipx does")
        return _fail(sentence.format(packages=", ".join(strangers)), USAGE)
    try:
        code = translated(group).main(args=arguments, prog_name="reachprobe", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _fail(_("interrupted; finished measurements are saved"), INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)  # the help of a group without a sub-command
        return USAGE
    except click.ClickException as error:
        return _fail(_usage(error), USAGE)
    except BrokenPipeError:
        # The reader went away, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if not _is_users(error):
            raise
        return _fail(str(error), getattr(error, "exit_code", USAGE))
    return code if isinstance(code, int) else OK


def foreign_packages() -> list[str]:
    """Which of our packages were imported from elsewhere: their names are plain, and others use them too."""
    home = FOLDER.parents[1]
    return [name for name in ("probe", "results") if home not in _folder_of(name).parents]


def _folder_of(package: str) -> Path:
    return Path(str(import_module(package).__file__)).parent


def _is_users(error: Exception) -> bool:
    return any(f"{kind.__module__}.{kind.__qualname__}" in USER_ERRORS for kind in type(error).__mro__)


def _damage(app: App, error: Exception) -> str | None:
    from results.db.connect import damage

    return damage(app.database, error)


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    message = " ".join(error.format_message().split()).rstrip(".")
    if context is None:
        return message
    return _("{error}; see `{command} --help`").format(error=message, command=context.command_path)


def _fail(message: str, code: int) -> int:
    """Print one line on stderr, escaped, and return the exit code."""
    from probe.text import safe
    from schedules.render.output import talk

    talk(f"reachprobe: {safe(message)}")
    return code


def _first_line(command: str) -> str:
    """Of the module's docstring, without the command's own name where that stands first."""
    with (FOLDER / f"{command.replace('-', '_')}.py").open(encoding="utf-8") as lines:
        words = next(lines, "").strip().strip('"')
    words = re.sub(r"^`[^`]*`: ", "", words)
    return words[:1].upper() + words[1:]
