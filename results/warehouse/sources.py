"""What can be loaded: databases, files of records (ours and OONI's), Parquet, and folders of all these.

Of OONI's public archive (`raw/20261124/07/RU/webconnectivity/….jsonl.gz`, https://github.com/ooni/data) the folders of
tests that we cannot read are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from results.compare.sources import COMPRESSED_ENDINGS, ENDINGS, is_database
from results.warehouse import from_database, from_records, parquet
from results.warehouse.engine import WarehouseError
from results.warehouse.filesystem import Place, place, reached
from results.warehouse.load import Source, key_of

if TYPE_CHECKING:
    from results.db.store import Judge

DATABASES = (".db", ".sqlite", ".sqlite3")
RECORDS = tuple(end for end in ENDINGS if end not in DATABASES)
OF_OONI = re.compile(r"(?:^|/)(?:raw/)?[0-9]{8}/[0-9]{2}/[A-Z]{2}/(?P<test>[a-z_]+)/[^/]+\.jsonl\.gz$")
READ = "webconnectivity"


def sources(where: str, judge: Judge) -> Iterator[Source]:
    """Every source that a path or URL is; records are judged by `judge`. WarehouseError where it is none."""
    at = place(where)
    with reached(at):
        if not at.is_folder():
            if not at.exists():
                raise WarehouseError(f"{where}: there is no such file or folder")
            yield _source(at, judge)
            return
        found = False
        for file in at.files():
            if _is_read(file.path):
                found = True
                yield _source(file, judge)
        if not found:
            kinds = ", ".join((*ENDINGS, ".parquet"))
            raise WarehouseError(
                f"{where}: no file of results in it ({kinds}, plain or {' or '.join(COMPRESSED_ENDINGS)})"
            )


def _is_read(path: str) -> bool:
    """By the name; of OONI's archive the tests that we know."""
    archived = OF_OONI.search(path)
    if archived is not None:
        return archived["test"] == READ
    plain = next((path.removesuffix(end) for end in COMPRESSED_ENDINGS if path.endswith(end)), path)
    return plain.endswith((*RECORDS, *DATABASES)) or path.endswith(".parquet")


def _source(file: Place, judge: Judge) -> Source:
    if file.path.endswith(".parquet"):
        return Source(str(file), key_of(str(file)), partial(parquet.batches, file))
    local = Path(file.path) if "file" in file.system.protocol else None
    if local is not None and is_database(local):
        return from_database.source(local)
    return Source(str(local or file), key_of(str(file)), partial(from_records.batches, file, judge))
