"""A round that was ended from outside."""

from __future__ import annotations


class Interrupted(Exception):
    """Ctrl-C; what was finished is in the database."""

    exit_code = 130


class Terminated(Interrupted):
    """SIGTERM, as a service manager sends it; what was finished is in the database."""

    exit_code = 143
