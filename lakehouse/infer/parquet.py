"""What is in Parquet files: their own types."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
from duckdb.sqltypes import DuckDBPyType

from lakehouse.errors import WrongUse
from lakehouse.infer import Seen, Survey
from lakehouse.types import ColumnType, Decimal, ListOf, MapOf, Primitive, PrimitiveName, StructOf, literal, quote

_NAMES: dict[str, PrimitiveName] = {
    "boolean": "boolean",
    "tinyint": "int",
    "smallint": "int",
    "integer": "int",
    "utinyint": "int",
    "usmallint": "int",
    "uinteger": "long",
    "bigint": "long",
    "float": "float",
    "double": "double",
    "date": "date",
    "time": "time",
    "time with time zone": "string",
    "timestamp": "timestamp",
    "timestamp_s": "timestamp",
    "timestamp_ms": "timestamp",
    "timestamp_ns": "timestamp",
    "timestamp with time zone": "timestamptz",
    "uuid": "uuid",
    "blob": "binary",
}


def survey(files: Sequence[Path], sample_rows: int) -> Survey:
    """Take the types that hold all files' values, and count over the first rows."""
    paths = ", ".join(literal(str(file)) for file in files)
    table = f"(SELECT * FROM read_parquet([{paths}], union_by_name = true) LIMIT {sample_rows})"
    try:
        with duckdb.connect() as connection:
            described = connection.sql(f"SELECT * FROM {table} LIMIT 0")
            types = dict(zip(described.columns, described.types, strict=True))
            counts = ", ".join(f"count({quote(n)}), count(DISTINCT {quote(n)})" for n in types)
            rows, *numbers = connection.execute(f"SELECT count(*), {counts} FROM {table}").fetchall()[0]
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise WrongUse(f"the files cannot be read as Parquet: {first}", hint="name whole Parquet files", place=files[0].name) from None
    pairs = zip(types, types.values(), numbers[::2], numbers[1::2], strict=True)
    fine = [name for name, kind in types.items() if kind.id == "timestamp_ns"]
    notes = [f"column {name!r} tells nanoseconds, its type microseconds: a row with finer digits would be set aside" for name in fine]
    return Survey(columns=[_seen(*pair) for pair in pairs], rows=rows, notes=notes)


def _seen(name: str, kind: DuckDBPyType, filled: int, distinct: int) -> Seen:
    return Seen(name=name, type=_type(kind), filled=filled, distinct=distinct, reason=f"{kind} in the files")


def _type(kind: DuckDBPyType) -> ColumnType:
    parts: dict[str, Any] = dict(kind.children) if kind.id in ("list", "array", "struct", "map", "decimal") else {}
    if kind.id == "decimal":
        return Decimal(int(parts["precision"]), int(parts["scale"]))
    if kind.id in ("list", "array"):
        return ListOf(_type(parts["child"]))
    if kind.id == "map":
        return MapOf(_type(parts["key"]), _type(parts["value"]))
    if kind.id == "struct":
        return StructOf(tuple((name, _type(part)) for name, part in parts.items()))
    wide = {"ubigint": Decimal(20, 0), "hugeint": Decimal(38, 0)}
    return wide.get(kind.id) or Primitive(_NAMES.get(kind.id, "string"))
