"""Deliveries as one stream of typed rows, with what could not be read kept aside: the part that all file formats share.

A format's module reads one file (`ReadFile`); here the files are read one after another, on cursors of their own, so that the
connection that consumes the stream stays free. Next: `csv.py`, `jsonl.py`, `parquet.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from lakehouse.declare.contract import Contract
from lakehouse.errors import MeshError
from lakehouse.scratch import Scratch
from lakehouse.sources import Rejected
from lakehouse.sources.cells import Cell, Usual
from lakehouse.types import ColumnType, quote

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BATCH_ROWS = 65_536
MAX_RAW = 65_536
WRONG = "__wrong"  # no column of a contract can be called this


@dataclass(slots=True)
class Aside:
    """What one scan finds besides rows: rejected rows, the columns that were seen, and those of them nobody asked for."""

    rejected: list[Rejected] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    extra: set[str] = field(default_factory=set)


class ReadFile(Protocol):
    """One file, ready to be read as often as asked."""

    def read(self, cursor: duckdb.DuckDBPyConnection, aside: Aside) -> Iterator[pa.RecordBatch]: ...


class Rows:
    """A stream that DuckDB can scan (Arrow's C stream interface), any number of times; a whole scan fills what is aside."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, contract: Contract, files: Sequence[ReadFile], scratch: Scratch) -> None:
        self._connection, self._files, self._scratch = connection, files, scratch
        self._contract = contract
        self._aside: Aside | None = None
        self._failure: MeshError | None = None

    @cached_property
    def _schema(self) -> pa.Schema:
        return arrow_schema(self._connection, self._contract)

    def __arrow_c_schema__(self) -> object:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self._schema, self._scan()).__arrow_c_stream__(requested_schema)

    @property
    def failure(self) -> MeshError | None:
        return self._failure

    def rejected(self) -> Sequence[Rejected]:
        return tuple(self._whole().rejected)

    def warnings(self) -> Sequence[str]:
        return unasked(self._aside.extra if self._aside else ())

    def _whole(self) -> Aside:
        if self._aside is None:
            for _ in self._scan():
                pass
        return self._aside or Aside()

    def _scan(self) -> Iterator[pa.RecordBatch]:
        aside = Aside()
        try:
            for file in self._files:
                yield from self._read(file, aside)
        except MeshError as error:
            self._failure = error
            raise
        self._aside = aside

    def _read(self, file: ReadFile, aside: Aside) -> Iterator[pa.RecordBatch]:
        with self._connection.cursor() as cursor:
            cursor.execute("SET TimeZone='UTC'")
            yield from file.read(cursor, aside)


def arrow_schema(connection: duckdb.DuckDBPyConnection, contract: Contract) -> pa.Schema:
    """The contract's columns as DuckDB hands them to Arrow."""
    fields = ", ".join(f"NULL::{c.type.duckdb} AS {quote(c.name)}" for c in contract.columns)
    with connection.cursor() as cursor:
        cursor.execute("SET TimeZone='UTC'")
        return cursor.sql(f"SELECT {fields} LIMIT 0").to_arrow_table().schema


def split(reader: pa.RecordBatchReader, columns: int, bad: Callable[[pa.RecordBatch, int], None]) -> Iterator[pa.RecordBatch]:
    """Yield the good rows' first `columns` columns; hand over batches that hold bad rows.

    The column after them, `WRONG`, is the position from 1 of the first column that could not be read, 0 for a good row.
    `bad` is given the whole batch and how many rows came before it.
    """
    import pyarrow.compute as pc

    before = 0
    for batch in reader:
        wrong = batch.column(WRONG)
        good = batch.select(range(columns))
        if pc.max(wrong).as_py():
            bad(batch, before)
            good = good.filter(pc.equal(wrong, 0))
        before += batch.num_rows
        yield good


def wrong_column(cells: Sequence[Cell]) -> str:
    """The SQL of `WRONG`: which cell is the first wrong one, counted from 1, else 0. Only rows with an unusual cell pay for it."""
    cases = "".join(f" WHEN {c.wrong} THEN {n}" for n, c in enumerate(cells, 1) if c.wrong != "false")
    return f"(CASE WHEN {all_right(cells)} THEN 0{cases} ELSE 0 END)::INTEGER AS {WRONG}"


def all_right(cells: Sequence[Cell | Usual]) -> str:
    """The SQL condition that every cell is written as usual."""
    return " AND ".join(c.right for c in cells if c.right != "true") or "true"


def not_readable(kind: ColumnType, shown: object) -> str:
    """The reason that a person reads for a cell that is no value of its type."""
    return f"{str(shown)[:200]!r} is not a value of type {kind}"


def unasked(columns: Iterable[str]) -> Sequence[str]:
    """The warnings about columns that no contract names."""
    return tuple(f"column {name!r} is in the files but not in the contract" for name in sorted(columns))


def raw(text: str) -> str:
    """A record as kept in quarantine: without its line end, and bounded."""
    return text.rstrip("\r\n")[:MAX_RAW]
