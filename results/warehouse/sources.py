"""What can be loaded: databases, files of records (ours and OONI's), folders of these."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from results.comparing.sources import SourceError, files_of, is_database
from results.warehouse import from_database
from results.warehouse.engine import WarehouseError
from results.warehouse.load import Source, key_of


def sources(place: str) -> Iterator[Source]:
    """Every source that a place on this machine is. WarehouseError where it is none."""
    try:
        for file in files_of(Path(place)):
            if is_database(file):
                path = file.resolve()
                yield Source(str(file), key_of(str(path)), partial(from_database.batches, path))
    except (SourceError, OSError) as error:
        raise WarehouseError(str(error)) from error
