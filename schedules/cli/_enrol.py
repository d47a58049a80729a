"""`init --hub`: enrols this vantage point with a hub."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import click
import msgspec

from probe.timestamps import rfc3339

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import Config


class Enrolment(msgspec.Struct, frozen=True):
    """The options. The invitation is never printed."""

    url: str
    invitation: str
    pin: str | None

    def toml(self) -> str:
        """The configuration tables for the hub."""
        pins = f"pins = [{json.dumps(self.pin)}]\n" if self.pin else ""
        return f"[hub]\nurl = {json.dumps(self.url)}\n{pins}\n[control]\nhub = {json.dumps(self.url)}\n"

    def missing_in(self, config: Config) -> str:
        """The tables, where the configuration does not name this hub; else empty."""
        return "" if config.hub.url == self.url else self.toml()


def enrolment(url: str | None, invitation: str | None, pin: str | None) -> Enrolment | None:
    """The validated options; None where none is given."""
    from probe.http.api_client import server_of

    if url is None and invitation is None and pin is None:
        return None
    if url is None or invitation is None:
        raise click.UsageError("give both --hub and --invitation")
    if pin is not None and not re.fullmatch("[0-9a-f]{64}", pin):
        raise click.UsageError("--pin is the SHA-256 of a public key: 64 hexadecimal digits")
    try:
        server_of(url)
    except ValueError as error:
        raise click.UsageError(f"--hub {error}") from error
    return Enrolment(url.rstrip("/"), invitation, pin)


def enrol(asked: Enrolment, config: Config | None, store: Store) -> str:
    """Enrol, and store the token in the database, readable by its owner only. Returns the name that the hub gave."""
    from datetime import UTC, datetime

    from probe.http.api_client import NotAnswered
    from results.db import upload_queue
    from schedules.config.schema import Config as Defaults
    from schedules.hub_client.client import HubClient, HubRefused, NotEnrolled, way_of
    from schedules.runtime import process

    configured = config or Defaults()
    way = way_of(configured)
    if asked.pin is not None:
        way = msgspec.structs.replace(way, pins=(asked.pin,))
    try:
        given = process.run_async(HubClient(asked.url, way).enrol(asked.invitation))
    except NotAnswered as error:
        raise HubRefused(f"{error}; nothing was changed, try again when the hub can be reached") from error
    except NotEnrolled as error:
        raise HubRefused(f"{asked.url}: the invitation is wrong, used or too old; ask the group for another") from error
    store.path.chmod(0o600)
    now = rfc3339(datetime.now(UTC), "seconds")
    upload_queue.enrol(store, asked.url, given.name, given.token, now)
    return given.name
