"""What was found, for people who read: gathered into one summary, and that written as HTML, Markdown or CSV.

`details` keeps what a report needs beyond a comparison, `summarise` is pure over both, and a renderer is one file.
"""

from __future__ import annotations

from results.report.evidence import Details, details
from results.report.summarising import summarise
from results.report.summary import Summary

__all__ = ["Details", "Summary", "details", "summarise"]
