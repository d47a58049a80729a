"""Errors of a warehouse, with ClickHouse's errors in plain words."""

from __future__ import annotations

import re
from gettext import gettext as _

from probe.text import replace_unprintable

LOCKED_MESSAGES = ("Cannot lock file", "already running", "Another server instance", "Could not set lock")
TIMEOUT_CODE = 159
UNKNOWN_USER_CODES, READ_ONLY_CODE, ACCESS_DENIED_CODE = (192, 193, 194, 516), 164, 497
"""Of ClickHouse (src/Common/ErrorCodes.cpp)."""


class WarehouseError(ValueError):
    """A warehouse that cannot be used; the message names it and says what to do."""


class WarehouseTimeout(WarehouseError):
    """A query that exceeded its time limit."""


def redacted_url(url: str) -> str:
    """The URL without its password, printable and at most 200 characters long."""
    before, at, after = url.rpartition("@")
    scheme, slashes, user = before.partition("://")
    shown = f"{scheme}{slashes}{user.partition(':')[0]}@{after}" if at else url
    return replace_unprintable(shown[:200])


def clickhouse_message(text: str) -> str:
    """A ClickHouse error as one short line; for a locked folder, what to do about it."""
    if any(word in text for word in LOCKED_MESSAGES):
        return open_elsewhere()
    lines = [line for line in text.splitlines() if line.strip()]
    message = next((line for line in lines if "DB::Exception" in line), lines[-1] if lines else "")
    message = re.sub(r"^.*?DB::Exception: ", "", message)
    message = re.sub(r"\s*\(version [^()]*(\([^()]*\))?\).*$", "", message)
    return replace_unprintable(message[:300])


def server_code(error: BaseException) -> int | None:
    """The error code of the server, None if it sent none."""
    match = re.search(r"\b[Cc]ode: (\d{1,4})\b", str(error))
    return int(match[1]) if match else None


def clickhouse_error_text(error: BaseException) -> str:
    """Why a server refused a query or could not be reached, and what to do about it."""
    code, text = server_code(error), clickhouse_message(str(error))
    if code is not None:
        return _refusal(code, text)
    cause = error.__cause__
    if cause is None and "readonly" in text:
        return _("this user can read but not change settings ({error}); give it `readonly = 2`").format(error=text)
    if cause is None:
        return _("not a ClickHouse server ({error}); is this its HTTP port, such as 8123?").format(error=text)
    reason = getattr(cause, "reason", None) or cause
    inner = re.search(r"\[(?:Errno -?\d+|SSL: \w+)\] ([\w ]+)", str(reason))
    detail = inner[1].strip() if inner else type(reason).__name__
    failures = {  # by urllib3's exceptions
        "NameResolutionError": _("unknown host"),
        "SSLError": _("TLS failed ({error}); ?secure=1 is for its TLS port, such as 8443"),
        "ReadTimeoutError": _("no response in time"),
    }
    no_answer = _("cannot connect ({error}); is the server running, and is this its HTTP port, such as 8123?")
    return failures.get(type(reason).__name__, no_answer).replace("{error}", detail)


def _refusal(code: int, text: str) -> str:
    if code in UNKNOWN_USER_CODES:
        return _("unknown user or wrong password; give clickhouse://USER:PASSWORD@HOST:PORT/DATABASE")
    refusals = {
        READ_ONLY_CODE: _("this user may only read: {error}"),
        ACCESS_DENIED_CODE: _("this user lacks a permission: {error}; GRANT it, or use another user"),
        TIMEOUT_CODE: _("the query takes too long; narrow it with --since and --until"),
    }
    return refusals.get(code, "{error}").replace("{error}", text)


def no_warehouse(place: str) -> str:
    """That nothing was loaded yet."""
    return _("{place}: no warehouse yet; `reachprobe warehouse load` creates it").format(place=place)


def open_elsewhere() -> str:
    """That a file admits one process at a time."""
    return _("open in another process; wait until that ends, or stop it")
