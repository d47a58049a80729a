"""Errors of a warehouse, with ClickHouse's errors in plain words."""

from __future__ import annotations

import re

from probe.text import replace_unprintable

LOCKED_MESSAGES = ("Cannot lock file", "already running", "Another server instance", "Could not set lock")
TIMEOUT_CODE = 159
REFUSALS = {
    192: "it knows no such user, or the password is wrong; write clickhouse://USER:PASSWORD@HOST:PORT/DATABASE",
    164: "this user may only read: {text}",
    497: "this user may not do that: {text}; GRANT it, or name another user",
    TIMEOUT_CODE: "that takes too long; ask for less time, with --since and --until",
}
REFUSALS |= dict.fromkeys((193, 194, 516), REFUSALS[192])
"""Texts by ClickHouse error code (src/Common/ErrorCodes.cpp)."""
CONNECTION_FAILURES = {
    "NameResolutionError": "no such host is known",
    "SSLError": "it does not speak TLS as we do ({text}); ?secure=1 is for its TLS port, as 8443",
    "ReadTimeoutError": "it does not answer in time",
}
"""Texts by the name of urllib3's exception."""


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
        return "another process has it open; wait for its end, or stop it"
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
        return REFUSALS.get(code, "{text}").replace("{text}", text)
    cause = error.__cause__
    if cause is None and "readonly" in text:
        return f"this user may only read, and set nothing ({text}); give it `readonly = 2`"
    if cause is None:
        return f"no ClickHouse answers there ({text}); is the port its HTTP port, as 8123?"
    reason = getattr(cause, "reason", None) or cause
    inner = re.search(r"\[(?:Errno -?\d+|SSL: \w+)\] ([\w ]+)", str(reason))
    detail = inner[1].strip() if inner else type(reason).__name__
    no_answer = "nothing answers there ({text}); does it run, and is the port its HTTP port, as 8123?"
    return CONNECTION_FAILURES.get(type(reason).__name__, no_answer).replace("{text}", detail)
