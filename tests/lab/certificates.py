"""Certificates that only tests use; they extend schedules.demo.authority."""

from __future__ import annotations

import ssl
from datetime import timedelta

from schedules.demo.authority import DAY, Authority


def not_yet_valid(authority: Authority, *names: str, by: timedelta = DAY) -> ssl.SSLContext:
    """A certificate that becomes valid in the future, as a slow clock sees a new one."""
    return authority.context(*names, valid=(authority.now + by, authority.now + by + 30 * DAY))


def only_for(authority: Authority, *names: str) -> ssl.SSLContext:
    """A context that answers every other SNI with the alert unrecognized_name, as strict servers do."""

    def choose(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> int | None:
        return None if name in names else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context = authority.context(*names)
    context.sni_callback = choose
    return context
