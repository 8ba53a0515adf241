"""pyarrow: a Table, or a RecordBatchReader that streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.engines import Attached, view_name, within

if TYPE_CHECKING:
    import duckdb

_BATCH_ROWS = 65_536


def frame(annotation: str, connection: duckdb.DuckDBPyConnection, relation: str, limit_rows: int) -> pa.Table | pa.RecordBatchReader:
    if annotation == "pyarrow.Table":
        return table(annotation, connection, relation, limit_rows)
    return connection.sql(f"SELECT * FROM {relation}").to_arrow_reader(_BATCH_ROWS)


def table(annotation: str, connection: duckdb.DuckDBPyConnection, relation: str, limit_rows: int) -> pa.Table:
    """All rows at once, for this and for the other materialising libraries."""
    rows = connection.sql(f"SELECT * FROM {relation} LIMIT {limit_rows + 1}").to_arrow_table()
    within(rows.num_rows, limit_rows, annotation)
    return rows


def attach(frame: object, connection: duckdb.DuckDBPyConnection) -> Attached | None:
    if not isinstance(frame, pa.Table | pa.RecordBatchReader):
        return None
    view = view_name()
    connection.register(view, frame)
    return Attached(view, frame)
