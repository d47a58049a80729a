"""What ClickHouse says, in few words, and what is asked of it about itself."""

from __future__ import annotations

import re

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
LOCKED = ("Cannot lock file", "already running", "Another server instance", "lock")


def said(text: str) -> str:
    """An error as one bounded line; for a folder or server in use, the way out."""
    if any(word in text for word in LOCKED):
        return "another process has it open; wait for its end, or stop it"
    lines = [line for line in text.splitlines() if line.strip()]
    told = next((line for line in lines if "DB::Exception" in line), lines[-1] if lines else "")
    told = re.sub(r"^.*?DB::Exception: ", "", told)
    return "".join(c if c.isprintable() else "\ufffd" for c in told[:300])
