"""One Parquet file as typed rows: its own types must be the contract's, or hold values that are.

A value is taken when casting it there and back gives the same value; text is read as in a CSV (`cells.py`). Rows that cannot be
read are kept as JSON, with the row's number as its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from lakehouse.declare.contract import Column, Contract
from lakehouse.errors import BatchRefused
from lakehouse.sources import Rejected
from lakehouse.sources.cells import Cell, Formats, cell
from lakehouse.sources.columns import Matched, match, name_in_file
from lakehouse.sources.rows import BATCH_ROWS, WRONG, Aside, not_readable, raw, split, wrong_column
from lakehouse.sources.unreadable import refused
from lakehouse.types import ColumnType, ListOf, MapOf, Primitive, StructOf, literal, quote

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetFile:
    """A file opened by its footer. `types` are DuckDB's names of the types of its columns."""

    name: str
    path: Path
    contract: Contract
    matched: Matched
    types: Mapping[str, str]

    def read(self, cursor: duckdb.DuckDBPyConnection, aside: Aside) -> Iterator[pa.RecordBatch]:
        """Yield the rows that could be read; the others go aside."""
        aside.extra.update(self.matched.extra)

        def keep(batch: pa.RecordBatch, before: int) -> None:
            aside.rejected.extend(_rejected(self, batch))

        try:
            yield from split(cursor.sql(_query(self)).to_arrow_reader(BATCH_ROWS), len(self.contract.columns), keep)
        except duckdb.Error as error:
            raise refused(self.name, error) from None


def open_parquet(connection: duckdb.DuckDBPyConnection, name: str, path: Path, contract: Contract) -> ParquetFile:
    """Read the footer and match it with the contract; BatchRefused when a column is missing or cannot have its type."""
    try:
        described = connection.sql(f"SELECT * FROM {_table(path)} LIMIT 0")
        types = dict(zip(described.columns, map(str, described.types), strict=True))
    except duckdb.Error as error:
        raise refused(name, error, hint="deliver a whole Parquet file") from None
    file = ParquetFile(name=name, path=path, contract=contract, matched=match(name, list(types), contract), types=types)
    for column in contract.columns:
        _castable(connection, file, column)
    return file


def _castable(connection: duckdb.DuckDBPyConnection, file: ParquetFile, column: Column) -> None:
    if _never(file.types[name_in_file(column)], column.type) or not _binds(connection, file, column):
        raise BatchRefused(
            f"column {name_in_file(column)!r} is a {file.types[name_in_file(column)]} in the file and a {column.type} in the contract",
            hint="deliver the contract's type, or change the contract",
            place=file.name,
        )


def _never(there: str, wanted: ColumnType) -> bool:
    """Casts that exist, and would lose the time zone, or every value."""
    if there == "TIMESTAMP WITH TIME ZONE":
        return wanted in (Primitive("timestamp"), Primitive("date"), Primitive("time"))
    nested = there.startswith(("STRUCT(", "MAP(")) or there.endswith("]")
    return there != "VARCHAR" and nested != isinstance(wanted, ListOf | MapOf | StructOf)


def _binds(connection: duckdb.DuckDBPyConnection, file: ParquetFile, column: Column) -> bool:
    try:
        connection.sql(f"SELECT {_cell(file, column).value} FROM {_table(file.path)} f LIMIT 0")
    except duckdb.Error:
        return False
    return True


def _query(file: ParquetFile) -> str:
    """Cast and judge in a query of its own, so that what is kept of a bad row is made for bad rows only."""
    columns = file.contract.columns
    cells = [_cell(file, column) for column in columns]
    values = ", ".join(f"__v{n} AS {quote(column.name)}" for n, column in enumerate(columns))
    casts = ", ".join(f"{c.value} AS __v{n}" for n, c in enumerate(cells))
    texts = " ".join(f"WHEN {n} THEN f.{quote(name_in_file(c))}::VARCHAR" for n, c in enumerate(columns, 1))
    row = ", ".join(f"{quote(name)} := f.{quote(name)}" for name in file.types)
    return (
        f"SELECT {values}, {WRONG}, CASE {WRONG} {texts} END AS __text, __line, "
        f"CASE WHEN {WRONG} > 0 THEN to_json(struct_pack({row}))::VARCHAR END AS __row "
        f"FROM (SELECT *, {casts}, file_row_number + 1 AS __line, {wrong_column(cells)} FROM {_table(file.path)} f) f"
    )


def _table(path: Path) -> str:
    return f"read_parquet([{literal(str(path))}])"


def _cell(file: ParquetFile, column: Column) -> Cell:
    name = f"f.{quote(name_in_file(column))}"
    there, wanted = file.types[name_in_file(column)], column.type.duckdb
    if there == "VARCHAR":
        return cell(name, column.type, Formats())
    value = f"try_cast({name} AS {wanted})"
    if there == wanted:
        return Cell(value=name, right="true", wrong="false")
    same = f"try_cast({value} AS {there}) IS NOT DISTINCT FROM {name}"
    return Cell(value=value, right=same, wrong=f"NOT ({same})")


def _rejected(file: ParquetFile, batch: pa.RecordBatch) -> Iterator[Rejected]:
    rows = zip(*(batch.column(name).to_pylist() for name in (WRONG, "__text", "__row", "__line")), strict=True)
    for wrong, text, row, line in rows:
        if wrong:
            column = file.contract.columns[wrong - 1]
            yield Rejected(file=file.name, line=line, raw=raw(row), column=column.name, reason=not_readable(column.type, text))
