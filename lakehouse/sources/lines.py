"""Where in a CSV file a record stands: its header, and the physical line and raw text of records that could not be read.

Read only when something was wrong; a record without a quote is one line, any other is Python's csv module's to end.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from lakehouse.declare.product import Dialect
from lakehouse.errors import BatchRefused
from lakehouse.sources.rows import raw

_UNIT = "\x1f"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`line` counts physical lines from 1; `offset` is in bytes."""

    line: int
    offset: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A record that was looked for: a `row` that DuckDB delivered, or one it gave up, known by `offset`."""

    line: int
    raw: str
    fields: tuple[str, ...] = ()
    row: int | None = None
    offset: int | None = None


def read_header(name: str, path: Path, dialect: Dialect) -> list[str]:
    """The column names of a file; BatchRefused when there is no header."""
    for record in _records(path, dialect):
        if record.line > dialect.skip and record.text.strip():
            return _fields(record.text, dialect)
    raise BatchRefused(
        "the file is empty, not even a header is there", hint="deliver the header line also when there are no rows", place=name
    )


def locate(path: Path, dialect: Dialect, width: int, offsets: Sequence[int], rows: Sequence[int]) -> Iterator[Located]:
    """Find the records at `offsets` (given up) and the delivered `rows` (counted from 0 without them), in the file's order."""
    given_up, wanted = set(offsets), set(rows)
    row = -1
    for record in _body(path, dialect, width):
        offset = _given_up(record, given_up)
        if offset is not None:
            given_up.discard(offset)
            yield Located(line=record.line, raw=raw(record.text), offset=offset)
            continue
        row += 1
        if row in wanted:
            wanted.discard(row)
            yield Located(line=record.line, raw=raw(record.text), row=row, fields=tuple(_fields(record.text, dialect)))
        if not given_up and not wanted:
            return


def _given_up(record: Record, offsets: set[int]) -> int | None:
    # DuckDB counts the bytes of a line end of two bytes, and blank lines, to the record that follows them.
    if not offsets:
        return None
    return next((o for o in range(record.offset, record.offset - 3, -1) if o in offsets), None)


def _body(path: Path, dialect: Dialect, width: int) -> Iterator[Record]:
    """The records after the header; blank lines are none, unless there is only one column."""
    records = (r for r in _records(path, dialect) if r.line > dialect.skip)
    if dialect.header:
        next((r for r in records if r.text.strip()), None)
    return (r for r in records if width == 1 or r.text.strip("\r\n"))


def _records(path: Path, dialect: Dialect) -> Iterator[Record]:
    lines = _lines(path)
    for number, offset, text in lines:
        taken = [text]
        if dialect.quote and dialect.quote in text:
            more = (_keep(taken, following) for _, _, following in lines)
            next(_reader(chain([text], more), dialect), None)
        yield Record(line=number, offset=offset, text="".join(taken))


def _keep(taken: list[str], text: str) -> str:
    taken.append(text)
    return text


def _lines(path: Path) -> Iterator[tuple[int, int, str]]:
    offset = 0
    with _binary(path) as file:
        for number, line in enumerate(_ended(file), 1):
            bare = line.removeprefix(_BOM) if number == 1 else line
            yield number, offset, bare.decode("utf-8", errors="backslashreplace")
            offset += len(line)


def _ended(file: BinaryIO) -> Iterator[bytes]:
    first = file.read(1 << 16)
    file.seek(0)
    if b"\n" in first or b"\r" not in first:
        return iter(file)
    return (part + b"\r" for part in file.read().split(b"\r") if part)


def _binary(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _fields(text: str, dialect: Dialect) -> list[str]:
    return next(_reader(iter([text.replace(dialect.delimiter, _UNIT) if len(dialect.delimiter) > 1 else text]), dialect), [])


def _reader(lines: Iterator[str], dialect: Dialect) -> Iterator[list[str]]:
    many = len(dialect.delimiter) > 1
    return csv.reader(
        (line.replace(dialect.delimiter, _UNIT) for line in lines) if many else lines,
        delimiter=_UNIT if many else dialect.delimiter,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        doublequote=dialect.escape == dialect.quote,
        escapechar=None if dialect.escape in ("", dialect.quote) else dialect.escape,
    )
