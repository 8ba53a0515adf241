"""DuckDB: a relation, which is a query that has not run yet."""

from __future__ import annotations

import duckdb

from lakehouse.engines import Attached, view_name


def frame(annotation: str, connection: duckdb.DuckDBPyConnection, relation: str, limit_rows: int) -> duckdb.DuckDBPyRelation:
    return connection.sql(f"SELECT * FROM {relation}")


def attach(frame: object, connection: duckdb.DuckDBPyConnection) -> Attached | None:
    if not isinstance(frame, duckdb.DuckDBPyRelation):
        return None
    view = view_name()
    frame.create_view(view)
    try:
        connection.table(view)
    except duckdb.CatalogException:
        # The relation lives on another connection, whose views this one cannot see: take its rows as a stream.
        connection.register(view, frame)
    return Attached(view, frame)
