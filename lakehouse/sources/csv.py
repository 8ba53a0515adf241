"""One CSV file as typed rows: the dialect is declared, the types are the contract's, nothing is sniffed.

Every column is read as text and cast exactly (`cells.py`); records that do not fit the header are DuckDB's own rejects.
Line numbers are found afterwards, and only when something was wrong (`lines.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.declare.contract import Column, Contract
from lakehouse.declare.product import Dialect
from lakehouse.errors import BatchRefused
from lakehouse.sources import Rejected, duckdb_error
from lakehouse.sources.cells import Formats, cell, usual
from lakehouse.sources.columns import Matched, match
from lakehouse.sources.lines import Located, locate, read_header
from lakehouse.sources.rows import BATCH_ROWS, WRONG, Aside, all_right, not_readable, split, wrong_column
from lakehouse.types import literal, or_fail, quote

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """A file opened by its header: what it is called, and which of its columns is which."""

    name: str
    path: Path
    dialect: Dialect
    contract: Contract
    matched: Matched

    def read(self, cursor: duckdb.DuckDBPyConnection, aside: Aside) -> Iterator[pa.RecordBatch]:
        """Yield the rows that could be read, then hand the others to `aside`."""
        wrong = _Wrong()
        query = _query(self)
        try:
            yield from split(cursor.sql(query).to_arrow_reader(BATCH_ROWS), len(self.contract.columns), wrong.note)
        except duckdb_error() as error:
            raise _unreadable(self.name, error) from None
        aside.rejected.extend(_rejected(self, cursor, wrong))
        aside.extra.update(self.matched.extra)


@dataclass(slots=True)
class _Wrong:
    """Rows with a cell that could not be read: their place among the rows that DuckDB delivered -> the column."""

    columns: dict[int, int] = field(default_factory=dict)

    def note(self, batch: pa.RecordBatch, before: int) -> None:
        for offset, column in enumerate(batch.column(WRONG).to_pylist()):
            if column:
                self.columns[before + offset] = column - 1


def open_csv(name: str, path: Path, dialect: Dialect, contract: Contract) -> CsvFile:
    """Read the header and match it with the contract; BatchRefused when a column is missing."""
    if dialect.header:
        matched = match(name, read_header(name, path, dialect), contract)
    else:
        matched = Matched(positions=tuple(range(len(contract.columns))), width=len(contract.columns), extra=())
    return CsvFile(name=name, path=path, dialect=dialect, contract=contract, matched=matched)


def clean_rows(file: CsvFile, counter: str, rejects: str) -> str:
    """A query of the rows that can be read. A sequence counts those with a wrong cell, a table takes those that are no rows."""
    kept = f", rejects_table = {literal(rejects)}, rejects_scan = {literal(rejects + '_scan')}"
    # only rows with a wrong cell come to the sequence, which is never negative
    return f"FROM ({_query(file, kept)}) WHERE CASE WHEN {WRONG} = 0 THEN true ELSE nextval({literal(counter)}) < 0 END"


def faultless_rows(file: CsvFile) -> str:
    """A query of the rows of a file in which every value is written as usual; it fails at the first that is not."""
    cells = [usual(text, column.type, _formats(file), alias=alias) for text, column, alias in _columns(file)]
    rows = _read(file, [c.read for c in cells], "store_rejects = false")
    return f"SELECT {_named(file, [c.value for c in cells])} FROM {rows} WHERE {or_fail(all_right(cells))}"


def _query(file: CsvFile, options: str = "") -> str:
    cells = [cell(text, column.type, _formats(file), alias=alias) for text, column, alias in _columns(file)]
    rows = _read(file, [c.value for c in cells], "store_rejects = true" + options)
    return f"SELECT {_named(file, [alias for _, _, alias in _columns(file)])}, {wrong_column(cells)} FROM {rows}"


def _columns(file: CsvFile) -> Iterator[tuple[str, Column, str]]:
    """The contract's columns, between the text that each one is in the file and the name of what is read from it."""
    pairs = zip(file.matched.positions, file.contract.columns, strict=True)
    return ((f"c{position}", column, f"v{n}") for n, (position, column) in enumerate(pairs))


def _formats(file: CsvFile) -> Formats:
    return Formats(date=file.dialect.date_format, timestamp=file.dialect.timestamp_format, decimal=file.dialect.decimal)


def _named(file: CsvFile, values: Sequence[str]) -> str:
    return ", ".join(f"{value} AS {quote(column.name)}" for value, column in zip(values, file.contract.columns, strict=True))


def _read(file: CsvFile, values: Sequence[str], options: str) -> str:
    """Read in a query of its own, so that the conditions on a value do not read it again."""
    read = ", ".join(f"{value} AS v{n}" for n, value in enumerate(values))
    return f"(SELECT *, {read} FROM {_table(file, options)})"


def _table(file: CsvFile, options: str) -> str:
    dialect = file.dialect
    columns = ", ".join(f"'c{n}': 'VARCHAR'" for n in range(file.matched.width))
    nulls = ", ".join(literal(text) for text in dialect.nulls)
    return (
        f"read_csv([{literal(str(file.path))}], columns = {{{columns}}}, auto_detect = false, strict_mode = true, null_padding = false, "
        f"header = {str(dialect.header).lower()}, delim = {literal(dialect.delimiter)}, quote = {literal(dialect.quote)}, "
        f"escape = {literal(dialect.escape)}, nullstr = [{nulls}], skip = {dialect.skip}, {options})"
    )


def _rejected(file: CsvFile, cursor: duckdb.DuckDBPyConnection, wrong: _Wrong) -> Iterator[Rejected]:
    broken = _broken(cursor)
    if not broken and not wrong.columns:
        return
    for record in locate(file.path, file.dialect, file.matched.width, list(broken), sorted(wrong.columns)):
        if record.row is None:
            yield Rejected(file=file.name, line=record.line, raw=record.raw, column=None, reason=broken[record.offset or 0])
        else:
            yield _wrong_cell(file, record, wrong.columns[record.row])


def _wrong_cell(file: CsvFile, record: Located, position: int) -> Rejected:
    column = file.contract.columns[position]
    text = record.fields[file.matched.positions[position]]
    reason = not_readable(column.type, text)
    return Rejected(file=file.name, line=record.line, raw=record.raw, column=column.name, reason=reason)


def _broken(cursor: duckdb.DuckDBPyConnection) -> dict[int, str]:
    """Records that are no rows, by their offset in the file -> reason. One record may have several errors; the first is kept."""
    found = cursor.execute(
        "SELECT line_byte_position - 1, error_type, error_message FROM reject_errors ORDER BY line DESC, column_idx DESC"
    )
    return {offset: _reason(kind, message) for offset, kind, message in found.fetchall()}


def _reason(kind: str, message: str) -> str:
    return f"{kind.lower()}: {message.splitlines()[0]}"


def _unreadable(name: str, error: Exception) -> BatchRefused:
    first = str(error).splitlines()[0]
    return BatchRefused(
        f"the file cannot be read as a CSV of the declared dialect: {first}",
        hint="deliver it with one kind of line end and the declared delimiter and quote, or correct source.files.dialect",
        place=name,
    )
