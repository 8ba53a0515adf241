"""Is a damaged file to blame? An engine that fails does not always say which of the files that it read it could not read.

Next: `ports/admission.py` asks for a query, `orchestration/inputs.py` for a run.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from lakehouse.errors import Damaged

REPAIR = "mesh verify names every damaged file; mesh rollback goes back to an earlier publication"
_NAMELESS = (duckdb.Error, duckdb.IOException, duckdb.InternalException, duckdb.FatalException)
"""What the engine raises where a file is damaged and it does not say which; what a query is to blame for has classes of its own."""


def damage(error: BaseException, files: Iterable[str]) -> Damaged | None:
    """The error that says which of `files` (paths) is damaged, if that is what stopped the reading of them."""
    read = tuple(files)
    said = str(error).strip()
    damaged = next((file for file in read if file in said), None)
    if damaged is None and type(error) in _NAMELESS:
        damaged = next((file for file in read if not _is_whole(file)), None)
    return Damaged(said.splitlines()[0], place=damaged, hint=REPAIR) if damaged else None


def _is_whole(file: str) -> bool:
    """Whether every page of a data file can be read, by another reader than the one that failed."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            for _ in opened.iter_batches():
                pass
    except (OSError, ValueError):
        return False
    return True
