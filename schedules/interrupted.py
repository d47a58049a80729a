"""A round that a person ended."""

from __future__ import annotations


class Interrupted(Exception):
    """Ctrl-C; what was finished is in the database."""

    exit_code = 130
