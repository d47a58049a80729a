"""Reports for people: one summary, written as HTML, Markdown or CSV, each renderer in a module of its own."""

from __future__ import annotations

from results.report.evidence import DetailIndex, gather_details
from results.report.summary import Summary, summarise

__all__ = ["DetailIndex", "Summary", "gather_details", "summarise"]
