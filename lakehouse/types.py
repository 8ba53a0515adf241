"""The types of columns: Iceberg's names, and how DuckDB spells them.

Engine-free: nothing is imported here, so that declarations can be checked without an engine.
Next: `schema.py` turns them into an Iceberg schema.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PrimitiveName = Literal["boolean", "int", "long", "float", "double", "date", "time", "timestamp", "timestamptz", "string", "uuid", "binary"]

_DUCKDB: dict[str, str] = {
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "string": "VARCHAR",
    "uuid": "UUID",
    "binary": "BLOB",
}


@dataclass(frozen=True, slots=True)
class Primitive:
    """A type without parts."""

    name: PrimitiveName

    def __str__(self) -> str:
        return self.name

    @property
    def duckdb(self) -> str:
        return _DUCKDB[self.name]


@dataclass(frozen=True, slots=True)
class Decimal:
    """An exact number of `precision` digits, `scale` of them behind the point."""

    precision: int
    scale: int

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})"

    @property
    def duckdb(self) -> str:
        return f"DECIMAL({self.precision},{self.scale})"


@dataclass(frozen=True, slots=True)
class ListOf:
    element: ColumnType

    def __str__(self) -> str:
        return f"list<{self.element}>"

    @property
    def duckdb(self) -> str:
        return f"{self.element.duckdb}[]"


@dataclass(frozen=True, slots=True)
class MapOf:
    key: ColumnType
    value: ColumnType

    def __str__(self) -> str:
        return f"map<{self.key},{self.value}>"

    @property
    def duckdb(self) -> str:
        return f"MAP({self.key.duckdb}, {self.value.duckdb})"


@dataclass(frozen=True, slots=True)
class StructOf:
    fields: tuple[tuple[str, ColumnType], ...]

    def __str__(self) -> str:
        return "struct<" + ",".join(f"{name}:{kind}" for name, kind in self.fields) + ">"

    @property
    def duckdb(self) -> str:
        return "STRUCT(" + ", ".join(f"{quote(name)} {kind.duckdb}" for name, kind in self.fields) + ")"


ColumnType = Primitive | Decimal | ListOf | MapOf | StructOf


def quote(name: str) -> str:
    """An SQL identifier, in DuckDB, Trino and standard SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """An SQL string."""
    return "'" + value.replace("'", "''") + "'"


def pointer(name: str) -> str:
    """Where a column's value stands in a row that is kept as JSON, as an SQL string (RFC 6901)."""
    return literal("/" + name.replace("~", "~0").replace("/", "~1"))


def or_fail(condition: str) -> str:
    """A condition that is never false: where `condition` does not hold, the query fails."""
    return f"CASE WHEN {condition} THEN true ELSE error('a row is to be looked at') END"
