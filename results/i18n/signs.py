"""Signs that say the same as an outcome or an agreement, in every language and without colour."""

from __future__ import annotations

GAP = "·"
"""No recent measurement."""
OUTCOME_SIGNS: dict[str | None, str] = {
    "reachable": "✓", "blocked": "✗", "denied": "!", "down": "~", "offline": "-", "inconclusive": "?", None: GAP,
}  # fmt: skip
SPLIT = "≠"
"""Vantages that disagree."""
AGREEMENT_SIGNS = {
    "enforced": "■", "unenforced": "□", "collateral": "◆", "unlisted-block": "▲", "open": "○", "undecided": "·",
}  # fmt: skip
