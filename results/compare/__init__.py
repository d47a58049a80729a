"""Vantages side by side: read from many sources, gathered once each, and told what kind of difference there is.

`gather` reads sources into a temporary index; `compare` is pure over what it hands out, row by row.
"""

from __future__ import annotations

from results.compare.compare import ComparedRow, MatrixCell, compare
from results.compare.index import MeasurementIndex, gather
from results.compare.sources import SourceError

__all__ = ["ComparedRow", "MatrixCell", "MeasurementIndex", "SourceError", "compare", "gather"]
