"""Where in a CSV file a record stands: its header, and the physical line and raw text of records that could not be read.

Read only when something was wrong; a record without a quote is one line, any other is Python's csv module's to end.
"""

from __future__ import annotations

import csv
import gzip
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from lakehouse.declare.product import Dialect
from lakehouse.errors import BatchRefused
from lakehouse.sources.rows import raw
from lakehouse.sources.unreadable import CAUSES, refused

_UNIT = "\x1f"
_BOM = b"\xef\xbb\xbf"
_CHUNK = 1 << 16
# Its default would refuse to look at a field of more than 128 KB, which DuckDB reads; the limit is the process's.
csv.field_size_limit(1 << 30)


@dataclass(frozen=True, slots=True)
class _Line:
    """A physical line. `number` counts from 1, `end` is the offset in bytes of its line end."""

    number: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Record:
    """Lines that belong together. `line` is the number of the first, `end` the end of the last."""

    line: int
    end: int
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
    try:
        first = next((r for r in _records(path, dialect) if r.line > dialect.skip and r.text.strip()), None)
    except CAUSES as error:
        raise refused(name, error) from None
    if first is not None:
        return _fields(first.text, dialect)
    raise BatchRefused(
        "the file is empty, not even a header is there", hint="deliver the header line also when there are no rows", place=name
    )


def locate(path: Path, dialect: Dialect, width: int, offsets: Sequence[int], rows: Sequence[int]) -> Iterator[Located]:
    """Find the records at `offsets` (given up) and the delivered `rows` (counted from 0 without them), in the file's order."""
    given_up, wanted = deque(sorted(offsets)), deque(sorted(rows))
    row = -1
    for record in _body(path, dialect, width):
        # DuckDB counts the end of the line before, and blank lines, to the record that follows them.
        if given_up and given_up[0] < record.end:
            yield Located(line=record.line, raw=raw(record.text), offset=given_up.popleft())
            continue
        row += 1
        if wanted and wanted[0] == row:
            fields = tuple(_fields(record.text, dialect))
            yield Located(line=record.line, raw=raw(record.text), row=wanted.popleft(), fields=fields)
        if not given_up and not wanted:
            return


def _body(path: Path, dialect: Dialect, width: int) -> Iterator[_Record]:
    """The records after the header; blank lines are none, unless there is only one column."""
    records = (r for r in _records(path, dialect) if r.line > dialect.skip)
    if dialect.header:
        next((r for r in records if r.text.strip()), None)
    return (r for r in records if width == 1 or r.text.strip("\r\n"))


def _records(path: Path, dialect: Dialect) -> Iterator[_Record]:
    lines = _lines(path)
    for first in lines:
        taken = [first]
        if dialect.quote and dialect.quote in first.text and first.number > dialect.skip:
            more = (_keep(taken, line) for line in lines)
            next(_reader(chain([first.text], more), dialect), None)
        yield _Record(first.number, taken[-1].end, "".join(line.text for line in taken))


def _keep(taken: list[_Line], line: _Line) -> str:
    taken.append(line)
    return line.text


def _lines(path: Path) -> Iterator[_Line]:
    offset = 0
    with _binary(path) as file:
        for number, line in enumerate(_ended(file), 1):
            text = line.removeprefix(_BOM) if number == 1 else line
            yield _Line(number, offset + len(line.rstrip(b"\r\n")), text.decode("utf-8", errors="backslashreplace"))
            offset += len(line)


def _ended(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file whose line end is LF, CRLF or, as long ago, CR."""
    first = file.read(_CHUNK)
    file.seek(0)
    return iter(file) if b"\n" in first or b"\r" not in first else _ended_by_cr(file)


def _ended_by_cr(file: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while chunk := file.read(_CHUNK):
        *whole, rest = (rest + chunk).split(b"\r")
        yield from (line + b"\r" for line in whole)
    if rest:
        yield rest


def _binary(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


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
