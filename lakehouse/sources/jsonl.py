"""One file of JSON lines as typed rows: each line an object, its values checked against the contract's types.

JSON has types of its own, so nothing is coerced: a number is no text, 1.5 is no int. A missing key is null; a column that no
object of the whole delivery has is missing. Next: `values.py`, what a JSON value must be for each type.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

from lakehouse.declare.contract import Contract
from lakehouse.sources import Rejected
from lakehouse.sources.columns import missing, name_in_file
from lakehouse.sources.rows import BATCH_ROWS, Aside, arrow_schema, not_readable, raw
from lakehouse.sources.unreadable import CAUSES, refused
from lakehouse.sources.values import Read, reader
from lakehouse.types import ColumnType

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_Row = list[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLinesFile:
    """A file whose lines are objects. The `last` of a delivery's files says which columns were in none of them."""

    name: str
    path: Path
    contract: Contract
    last: bool

    def read(self, cursor: duckdb.DuckDBPyConnection, aside: Aside) -> Iterator[pa.RecordBatch]:
        """Yield the rows that could be read; the others go aside."""
        import pyarrow as pa

        schema = arrow_schema(cursor, self.contract)
        rows = _rows(self, aside)
        while batch := list(islice(rows, BATCH_ROWS)):
            columns = [pa.array([row[n] for row in batch], type=f.type) for n, f in enumerate(schema)]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)
        if self.last:
            _finish(self, aside)


def open_jsonl(paths: Sequence[tuple[str, Path]], contract: Contract) -> Sequence[JsonLinesFile]:
    """The files of one delivery. What they hold is known only when they are read."""
    return [JsonLinesFile(name=name, path=path, contract=contract, last=n == len(paths)) for n, (name, path) in enumerate(paths, 1)]


def _finish(file: JsonLinesFile, aside: Aside) -> None:
    wanted = [name_in_file(c) for c in file.contract.columns]
    aside.extra.update(aside.seen.difference(wanted))
    for name in wanted:
        if aside.seen and name not in aside.seen:
            raise missing(file.name, name, sorted(aside.extra))


@dataclass(frozen=True, slots=True)
class _Field:
    key: str
    column: str
    kind: ColumnType
    read: Read


def _rows(file: JsonLinesFile, aside: Aside) -> Iterator[_Row]:
    fields = [_Field(name_in_file(c), c.name, c.type, reader(c.type)) for c in file.contract.columns]
    for number, line in _lines(file):
        if not line.strip():
            continue
        try:
            yield _row(_object(line, aside.seen), fields)
        except _Wrong as wrong:
            text = line.decode("utf-8", errors="backslashreplace")
            aside.rejected.append(Rejected(file=file.name, line=number, raw=raw(text), column=wrong.column, reason=wrong.reason))


class _Wrong(Exception):
    """A line that is no row, and why; never leaves this module."""

    def __init__(self, reason: str, column: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.column = reason, column


def _lines(file: JsonLinesFile) -> Iterator[tuple[int, bytes]]:
    try:
        with cast("BinaryIO", gzip.open(file.path)) if file.path.suffix == ".gz" else file.path.open("rb") as lines:
            yield from enumerate(lines, 1)
    except CAUSES as error:
        raise refused(file.name, error) from None


def _object(line: bytes, seen: set[str]) -> Mapping[str, object]:
    try:
        found = json.loads(line.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_json)
    except (ValueError, RecursionError) as error:
        raise _Wrong(f"not a JSON object: {error}") from None
    if not isinstance(found, dict):
        raise _Wrong("not a JSON object")
    seen.update(found)
    return found


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _row(found: Mapping[str, object], fields: Sequence[_Field]) -> _Row:
    return [None if (value := found.get(f.key)) is None else _value(value, f) for f in fields]


def _value(value: object, field: _Field) -> object:
    try:
        return field.read(value)
    except (ValueError, ArithmeticError):
        raise _Wrong(
            not_readable(field.kind, str(value) if isinstance(value, Decimal) else json.dumps(value, default=str)), field.column
        ) from None
