"""polars: a DataFrame, or a LazyFrame that scans as often as its plan asks.

A plan may scan its source twice at the same time (a self-join), which no single query can serve: the rows of a LazyFrame are
written to a file first, which is deleted with the last plan that scans it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from lakehouse.engines import Attached, arrow, view_name
from lakehouse.scratch import Scratch
from lakehouse.types import literal

if TYPE_CHECKING:
    import duckdb

_ROWS = "rows.parquet"


def frame(annotation: str, connection: duckdb.DuckDBPyConnection, relation: str, limit_rows: int) -> pl.DataFrame | pl.LazyFrame:
    if annotation == "polars.LazyFrame":
        return _lazy(connection, relation)
    return pl.DataFrame(arrow.table(annotation, connection, relation, limit_rows))


def attach(frame: object, connection: duckdb.DuckDBPyConnection) -> Attached | None:
    if isinstance(frame, pl.DataFrame):
        return arrow.attach(frame.to_arrow(), connection)
    if not isinstance(frame, pl.LazyFrame):
        return None
    stream, view = _Stream(frame), view_name()
    connection.register(view, stream)
    return Attached(view, stream)


class _Stream:
    """A LazyFrame that is computed batch by batch, whenever it is scanned."""

    def __init__(self, lazy: pl.LazyFrame) -> None:
        self._lazy = lazy
        self._schema = lazy.collect_schema().to_frame().to_arrow().schema

    def __arrow_c_schema__(self) -> object:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return pa.RecordBatchReader.from_batches(self._schema, self._batches()).__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for part in self._lazy.collect_batches(lazy=True):
            yield from part.to_arrow().cast(self._schema).to_batches()


def _lazy(connection: duckdb.DuckDBPyConnection, relation: str) -> pl.LazyFrame:
    scratch = Scratch()
    connection.execute(f"COPY (SELECT * FROM {relation}) TO {literal(str(scratch.path / _ROWS))} (FORMAT parquet)")

    def scan(columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch_size: int | None) -> Iterator[pl.DataFrame]:
        plan = pl.scan_parquet(scratch.path / _ROWS)
        plan = plan.filter(predicate) if predicate is not None else plan
        plan = plan.select(columns) if columns is not None else plan
        plan = plan.head(rows) if rows is not None else plan
        yield from plan.collect_batches(chunk_size=batch_size, lazy=True)

    return register_io_source(scan, schema=pl.scan_parquet(scratch.path / _ROWS).collect_schema(), is_pure=True)
