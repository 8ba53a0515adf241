"""Data files -> a DuckDB table expression in the table's names and types, whatever they were called when written.

Right at top level for renamed, added and widened columns; a change inside a struct, list or map is refused as breaking before
it could get here, because DuckDB's field-id map does not reach inside. Next: `read.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema
from pyiceberg.types import IcebergType, ListType, MapType, StructType

from lakehouse.schema import duckdb_type
from lakehouse.types import literal, quote


def scan(files: Sequence[str], schema: Schema, *, filename: bool = False) -> str:
    """`read_parquet` over `files` (addresses); no files: an empty relation of the same columns."""
    if not files:
        nothing = ", ".join(f"null::{duckdb_type(f.field_type)} as {quote(f.name)}" for f in schema.fields)
        return f"(select {nothing}{', null::varchar as filename' if filename else ''} where false)"
    columns = ", ".join(
        f"{f.field_id}: {{name: {literal(f.name)}, type: {literal(duckdb_type(f.field_type))}, default_value: NULL}}" for f in schema.fields
    )
    listed = ", ".join(literal(local_path(f)) for f in files)
    return f"read_parquet([{listed}], schema=MAP {{{columns}}}{', filename=true' if filename else ''})"


def paths(files: Sequence[DataFile]) -> list[str]:
    return [f.file_path for f in files]


LOCAL = "file://"
_NO_COLUMN = 2_000_000_000
"""From here on field ids belong to no column of a table; those of Iceberg's own metadata columns begin higher still."""


def local_path(address: str) -> str:
    """A `file://` address as a path; other addresses as they are."""
    return address.removeprefix(LOCAL)


def local_address(path: Path) -> str:
    """A path as Iceberg writes it: in plain letters, because its readers do not decode `%3D`."""
    return f"{LOCAL}{path}"


def field_ids(schema: Schema, notes: Sequence[str] = ()) -> str:
    """The `FIELD_IDS` option of DuckDB's COPY, so that every reader finds columns by id.

    `notes` are columns that no table has: a file of which one column has no id is refused by pyiceberg as a whole.
    """
    ids = [f"{quote(f.name)}: {_field_id(f.field_id, f.field_type)}" for f in schema.fields]
    return "{" + ", ".join([*ids, *(f"{quote(name)}: {_NO_COLUMN + n}" for n, name in enumerate(notes))]) + "}"


def _field_id(id: int, kind: IcebergType) -> str:
    match kind:
        case ListType():
            return f"{{__duckdb_field_id: {id}, element: {_field_id(kind.element_id, kind.element_type)}}}"
        case MapType():
            key, value = _field_id(kind.key_id, kind.key_type), _field_id(kind.value_id, kind.value_type)
            return f"{{__duckdb_field_id: {id}, key: {key}, value: {value}}}"
        case StructType():
            parts = ", ".join(f"{quote(f.name)}: {_field_id(f.field_id, f.field_type)}" for f in kind.fields)
            return f"{{__duckdb_field_id: {id}, {parts}}}"
        case _:
            return str(id)
