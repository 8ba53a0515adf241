"""Deliveries as one stream of typed rows, with what could not be read kept aside: the part that all file formats share.

A format's module says how to open one file (`Opened`); here the files are read one after another, on cursors of their own, so
that the connection that consumes the stream stays free. Next: `csv.py`, `jsonl.py`, `parquet.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.declare.contract import Contract
from lakehouse.errors import MeshError
from lakehouse.sources import Rejected
from lakehouse.types import ColumnType, quote

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Aside = Callable[[Rejected], None]
ReadFile = Callable[["duckdb.DuckDBPyConnection", Aside], Iterator["pa.RecordBatch"]]
BATCH_ROWS = 65_536
MAX_RAW = 65_536


class Rows:
    """A stream that DuckDB can scan (Arrow's C stream interface), any number of times; the first whole scan fills `rejected`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: pa.Schema, files: Sequence[ReadFile]) -> None:
        self._connection, self._schema, self._files = connection, schema, files
        self._rejected: list[Rejected] | None = None
        self.failure: MeshError | None = None

    def __arrow_c_schema__(self) -> object:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self._schema, self._scan()).__arrow_c_stream__(requested_schema)

    def rejected(self) -> Sequence[Rejected]:
        """What could not be read. Reads to the end first if nobody has (a LIMIT, an empty join)."""
        if self._rejected is None:
            for _ in self._scan():
                pass
        return tuple(self._rejected or ())

    def _scan(self) -> Iterator[pa.RecordBatch]:
        aside: list[Rejected] = []
        try:
            for read in self._files:
                yield from self._read(read, aside.append)
        except MeshError as error:
            self.failure = error
            raise
        if self._rejected is None:
            self._rejected = aside

    def _read(self, read: ReadFile, aside: Aside) -> Iterator[pa.RecordBatch]:
        with self._connection.cursor() as cursor:
            cursor.execute("SET TimeZone='UTC'")
            for batch in read(cursor, aside):
                yield batch.cast(self._schema) if batch.schema != self._schema else batch


def arrow_schema(connection: duckdb.DuckDBPyConnection, contract: Contract) -> pa.Schema:
    """The contract's columns as DuckDB hands them to Arrow."""
    fields = ", ".join(f"NULL::{c.type.duckdb} AS {quote(c.name)}" for c in contract.columns)
    with connection.cursor() as cursor:
        cursor.execute("SET TimeZone='UTC'")
        return cursor.sql(f"SELECT {fields} LIMIT 0").to_arrow_table().schema


def split(reader: pa.RecordBatchReader, columns: int, bad: Callable[[pa.RecordBatch, int], None]) -> Iterator[pa.RecordBatch]:
    """Yield the good rows' first `columns` columns; hand over batches that hold bad rows.

    The column after them, `wrong`, is the position from 1 of the first column that could not be read, 0 for a good row.
    `bad` is given the whole batch and how many rows came before it.
    """
    import pyarrow.compute as pc

    before = 0
    for batch in reader:
        wrong = batch.column(columns)
        good = batch.select(range(columns))
        if pc.max(wrong).as_py():
            bad(batch, before)
            good = good.filter(pc.equal(wrong, 0))
        before += batch.num_rows
        yield good


def wrong_column(conditions: Sequence[str]) -> str:
    """The SQL of `wrong`: which of the conditions is the first to hold, counted from 1, else 0."""
    cases = "".join(f" WHEN {sql} THEN {n}" for n, sql in enumerate(conditions, 1) if sql != "false")
    return f"(CASE{cases} ELSE 0 END)::INTEGER" if cases else "0::INTEGER"


def not_readable(kind: ColumnType, text: object) -> str:
    """The reason that a person reads for a cell that is no value of its type."""
    shown = str(text)
    return f"{shown[:200]!r} is not a value of type {kind}"


def raw(text: str) -> str:
    """A record as kept in quarantine: without its line end, and bounded."""
    return text.rstrip("\r\n")[:MAX_RAW]


def file_text(path: Path) -> str:
    """The SQL literal of a path; read functions take a list so that `*` and `?` in a name are no wildcards for us to escape."""
    return "'" + str(path).replace("'", "''") + "'"
