"""Run a hub that collects a group's results and serves control measurements."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from gettext import gettext as _
from pathlib import Path

import click
import msgspec

from schedules.cli._app import App
from schedules.cli._register import tell
from schedules.render.output import print_json, talk

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
MIN_PASSWORD_LENGTH = 12
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")


@click.group(invoke_without_command=True)
@click.option("--listen", "where", metavar="HOST:PORT", default="127.0.0.1:8765", show_default=True)
@click.option(
    "--db", "db", type=click.Path(path_type=Path), help="The hub's database (same as --db before the command)."
)
@click.option("--cert", "certificate", type=FILE, help="TLS certificate chain (PEM).")
@click.option("--key", type=FILE, help="TLS private key (PEM).")
@click.option("--behind-proxy", is_flag=True, help="A reverse proxy terminates TLS and sets X-Forwarded-For.")
@click.option("--store", metavar="URL", help="Also load results into this warehouse (same as [hub] store).")
@click.pass_context
def hub(
    ctx: click.Context,
    where: str,
    db: Path | None,
    certificate: Path | None,
    key: Path | None,
    behind_proxy: bool,
    store: str | None,
) -> int | None:
    """Run a hub that collects a group's results. Without a subcommand it serves until stopped.

    On a non-loopback address it refuses to start without TLS (--cert and --key) or --behind-proxy.
    """
    app: App = ctx.obj
    if db is not None:
        app = ctx.obj = msgspec.structs.replace(app, db=db)
    if ctx.invoked_subcommand is not None:
        return None
    return _serve(app, where, certificate, key, behind_proxy, store)


@hub.command()
@click.argument("name")
@click.pass_obj
def invite(app: App, name: str) -> None:
    """Print an invitation for the vantage point NAME.

    It is valid once, for seven days, with `reachprobe init --hub`.
    """

    from results.hub import credentials

    with app.store() as store:
        click.echo(credentials.invite(store, name, datetime.now(UTC)))
    sentence = _("for {name}: valid once, for {days} days; send it over a private channel")
    talk(sentence.format(name=name, days=credentials.INVITATION_DAYS), quiet=app.quiet)


@hub.command()
@click.argument("name")
@click.pass_obj
def revoke(app: App, name: str) -> None:
    """Revoke the token of vantage point NAME. Its results stay; a new invitation enrols it again."""

    from results.hub import credentials

    with app.store(must_exist=True) as store:
        if not credentials.revoke(store, name, datetime.now(UTC)):
            sentence = _("no vantage point {name!r}; `reachprobe hub vantages` lists them")
            raise click.ClickException(sentence.format(name=name))
    tell(_("{name} is revoked").format(name=name))


@hub.command()
@click.pass_obj
def password(app: App) -> None:
    """Hash a password for the configuration.

    The hash is for [hub] reading_password or operator_password. Without a terminal, the password is the first line
    of standard input.
    """

    from results.hub.credentials import hash_password

    is_asked = sys.stdin.isatty()
    text = (
        click.prompt(_("Password"), hide_input=True, confirmation_prompt=True, err=True)
        if is_asked
        else sys.stdin.readline().rstrip("\r\n")
    )
    if len(text) < MIN_PASSWORD_LENGTH:
        sentence = _("too short: use at least {count} characters")
        raise click.ClickException(sentence.format(count=MIN_PASSWORD_LENGTH))
    click.echo(hash_password(text))


@hub.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per vantage point.")
@click.pass_obj
def vantages(app: App, as_json: bool) -> None:
    """List the enrolled vantage points.

    Shows since when each is enrolled, how many results it uploaded, and the last upload.
    """
    from results.hub.credentials import members

    with app.store(must_exist=True) as store:
        for row in members(store.db):
            if as_json:
                print_json(row)
                continue
            facts = (
                (_("since {value}"), row["since"]),
                (_("received {value}"), row["received"]),
                (_("last {value}"), row["received_at"]),
                (_("of these contradicting all others {value}"), row["flagged"]),
                (_("revoked {value}"), row["revoked_at"]),
            )
            tell(f"{row['name']}  " + ", ".join(fact.format(value=value) for fact, value in facts if value))


def _address(where: str) -> tuple[str, int, bool]:
    """Host, port, and whether that is this machine's own loopback."""
    from probe.net.address_policy import literal

    host, _colon, port = where.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    address = literal(host)
    if address is None or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise click.UsageError(_("--listen {value!r}: expected ADDRESS:PORT").format(value=where))
    return host, int(port), address.is_loopback


def _warehouse(url: str | None, *, is_shown: bool) -> str | None:
    """The URL of the warehouse to load, which can be opened; `is_shown` where the pages query it too."""
    if is_shown and (url is None or not url.startswith("clickhouse://")):
        given = (
            "there is no [hub] store" if url is None else f"{url.partition(':')[0]} allows only one process at a time"
        )
        raise click.ClickException(
            f'[hub] pages = "store": {given}, but pages and loader use it at the same time; set store to'
            ' clickhouse://USER@HOST:PORT/DATABASE, or set pages = "own"'
        )
    if url is None:
        return None
    from schedules.cli.warehouse import open_warehouse

    with open_warehouse(url):
        return url


def _serve(
    app: App, where: str, certificate: Path | None, key: Path | None, behind_proxy: bool, store: str | None
) -> int:
    from schedules.runtime import lock, process
    from schedules.runtime.process import StoppedBySignal

    host, port, is_loopback = _address(where)
    if (certificate is None) != (key is None):
        raise click.UsageError(_("give both --cert and --key"))
    if not is_loopback and certificate is None and not behind_proxy:
        sentence = _(
            "{host} is reachable from outside, and tokens would be sent unencrypted: give --cert and --key, or"
            " --behind-proxy if a reverse proxy terminates TLS; or listen on 127.0.0.1"
        )
        raise click.UsageError(sentence.format(host=host))
    try:
        from schedules.hub_server.server import ServerOptions, listen, serve
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn", "h11"):
            raise
        raise click.ClickException(_("the hub needs an extra: pip install 'reachprobe[hub]'")) from error
    config, is_private = app.config(), is_loopback and not behind_proxy
    if config.network.allow_private and not is_private:
        sentence = _(
            "[network] allow_private would expose private addresses to users of {host}; set it to false, or listen on"
            " 127.0.0.1"
        )
        raise click.ClickException(sentence.format(host=host))
    reads = config.hub.reading or ("public" if is_private else "members")
    app.store().close()
    warehouse = _warehouse(store or config.hub.store, is_shown=config.hub.pages == "store")
    with lock.held(app.database, "hub"):
        try:
            sock = listen(host, port)
        except OSError as error:
            sentence = _("{address}: {error}; choose another address with --listen")
            message = sentence.format(address=f"{host}:{port}", error=os.strerror(error.errno or 0))
            raise click.ClickException(message) from error
        bound = sock.getsockname()
        name = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        scheme = "https" if certificate else "http"
        hosts = (*LOOPBACK_HOSTS, name) if is_private else ("*",)

        def ready() -> None:
            sentence = _("listening at {url}, database {path}; readable by {readers}")
            readers = {"public": _("everybody"), "password": _("anyone with the password"), "members": _("members")}
            url = f"{scheme}://{name}:{bound[1]}"
            talk(sentence.format(url=url, path=app.database, readers=readers[reads]))

        try:
            options = ServerOptions(ready, reads, certificate, key, behind_proxy, hosts, warehouse)
            process.run_async(serve(config, app.database, sock, options))
        except (KeyboardInterrupt, StoppedBySignal):
            talk(_("stopped; acknowledged results are saved"), quiet=app.quiet)
    return 0
