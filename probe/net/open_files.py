"""How many targets the number of files that a process may have open is enough for."""

from __future__ import annotations

from contextlib import suppress

RESERVED = 96
"""The database, the log, imports, the event loop, canaries and controls."""
EACH = 6
"""What a target holds at most, or nearly: a question for each family, and a connect to each of several addresses."""
WANTED = 8192


def room(wanted: int) -> int:
    """`wanted`, or as many targets as may be under way at once here; at least one.

    Where the limit is too low for it, it is raised for this process as far as its owner may (setrlimit(2)): the usual
    1,024, and the 256 of a Mac, are kept low for programs that cannot count further, of which this is none.
    """
    try:
        import resource
    except ImportError:  # Windows, where sockets are not counted so
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    goal = min(wanted * EACH + RESERVED, WANTED)
    if hard != resource.RLIM_INFINITY:
        goal = min(goal, hard)
    if goal > soft:
        with suppress(OSError, ValueError):  # a sandbox may forbid it
            resource.setrlimit(resource.RLIMIT_NOFILE, (goal, hard))
            soft = goal
    return max(1, min(wanted, (soft - RESERVED) // EACH))
