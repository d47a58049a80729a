"""Which measurements count: no controls, and of a measurement and its repeat only the repeat."""

from __future__ import annotations

NOT_REPEATED = "NOT EXISTS (SELECT 1 FROM measurements l WHERE l.repeats = m.number)"
COUNTED = f"m.control_of IS NULL AND {NOT_REPEATED}"
"""A condition on `measurements m`, in the database of results."""
