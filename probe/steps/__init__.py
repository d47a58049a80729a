"""One protocol a file. Each gives `NAME`, the step's name, and `DETAIL`, the record type of its observations."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache


@lru_cache(maxsize=1)
def details() -> dict[str, type]:
    """Step name -> record type of its detail, for every file in this folder; a file that fails to import raises."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    return {module.NAME: module.DETAIL for module in modules}
