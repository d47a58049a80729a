"""SQL statements from .sql files beside the modules that run them.

A line `-- NAME` begins a statement. `{NAME}` in it stands for an earlier one, or for a part that the module gives.
"""

from __future__ import annotations

import re
from pathlib import Path

NOT_REPEATED = "NOT EXISTS (SELECT 1 FROM measurements l WHERE l.repeats = m.number)"
COUNTED = f"m.control_of IS NULL AND {NOT_REPEATED}"
"""Which `measurements m` count: no controls, and of a measurement and its repeat only the repeat."""
NAME = re.compile(r"^-- ([A-Z_]+)\n", re.MULTILINE)
PART = re.compile(r"\{([A-Z_]+)\}")


def statements(module: str, **parts: str) -> dict[str, str]:
    """Name -> SQL, from the file with the name of `module` (its `__file__`). LookupError for an unknown part."""
    found = {"NOT_REPEATED": NOT_REPEATED, "COUNTED": COUNTED, **parts}
    _, *pieces = NAME.split(Path(module).with_suffix(".sql").read_text("utf-8"))
    for name, text in zip(pieces[::2], pieces[1::2], strict=True):
        found[name] = PART.sub(lambda part: found[part[1]], text).strip()
    return found
