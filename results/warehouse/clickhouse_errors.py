"""What ClickHouse says, in few words, and what is asked of it about itself."""

from __future__ import annotations

import re

from probe.text import replace_unprintable

STORED = (
    "SELECT table, toInt64(sum(bytes_on_disk)) AS bytes FROM system.parts "
    "WHERE active AND database = currentDatabase() GROUP BY table"
)
READING = {
    "final": 1,
    "do_not_merge_across_partitions_select_final": 1,
    "join_use_nulls": 1,
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
}
"""Every row once, also before parts were merged: its double lies in the same month. NULL where a join found nothing."""
WRITING = {"max_partitions_per_insert_block": 0}
"""A batch may be of more than a hundred months: what a clock or a member says that is wrong must not stop a load."""
LOCKED = ("Cannot lock file", "already running", "Another server instance", "Could not set lock")
TOO_LONG = 159
REFUSED = {
    192: "it knows no such user, or the password is wrong; write clickhouse://USER:PASSWORD@HOST:PORT/DATABASE",
    164: "this user may only read: {said}",
    497: "this user may not do that: {said}; GRANT it, or name another user",
    TOO_LONG: "that takes too long; ask for less time, with --since and --until",
}
REFUSED |= dict.fromkeys((193, 194, 516), REFUSED[192])
"""By the server's error code (ClickHouse's src/Common/ErrorCodes.cpp)."""
UNREACHED = {
    "NameResolutionError": "no such host is known",
    "SSLError": "it does not speak TLS as we do ({said}); ?secure=1 is for its TLS port, as 8443",
    "ReadTimeoutError": "it does not answer in time",
}
"""By the error of the way there, as urllib3 names it."""


def said(text: str) -> str:
    """An error as one bounded line; for a folder or server in use, the way out."""
    if any(word in text for word in LOCKED):
        return "another process has it open; wait for its end, or stop it"
    lines = [line for line in text.splitlines() if line.strip()]
    told = next((line for line in lines if "DB::Exception" in line), lines[-1] if lines else "")
    told = re.sub(r"^.*?DB::Exception: ", "", told)
    told = re.sub(r"\s*\(version [^()]*(\([^()]*\))?\).*$", "", told)
    return replace_unprintable(told[:300])


def code_of(error: BaseException) -> int | None:
    """The server's own code for an error; None where it gave none."""
    found = re.search(r"\b[Cc]ode: (\d{1,4})\b", str(error))
    return int(found[1]) if found else None


def refused(error: BaseException) -> str:
    """What a server refused, or why none was reached; and the way out."""
    code, text = code_of(error), said(str(error))
    if code is not None:
        return REFUSED.get(code, "{said}").replace("{said}", text)
    cause = error.__cause__
    if cause is None and "readonly" in text:
        return f"this user may only read, and set nothing ({text}); give it `readonly = 2`"
    if cause is None:
        return f"no ClickHouse answers there ({text}); is the port its HTTP port, as 8123?"
    reason = getattr(cause, "reason", None) or cause
    inner = re.search(r"\[(?:Errno -?\d+|SSL: \w+)\] ([\w ]+)", str(reason))
    told = inner[1].strip() if inner else type(reason).__name__
    away = "nothing answers there ({said}); does it run, and is the port its HTTP port, as 8123?"
    return UNREACHED.get(type(reason).__name__, away).replace("{said}", told)
