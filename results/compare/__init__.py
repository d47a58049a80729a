"""Vantage points side by side: sources gathered into one index, rows compared, differences named."""

from __future__ import annotations

from results.compare.compare import ComparedRow, MatrixCell, compare
from results.compare.index import MeasurementIndex, gather
from results.compare.sources import SourceError

__all__ = ["ComparedRow", "MatrixCell", "MeasurementIndex", "SourceError", "compare", "gather"]
