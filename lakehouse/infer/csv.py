"""What is in CSV files: the dialect is sniffed here and nowhere else, the types are tried with the reader's own casts.

Next: `dialect.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb

from lakehouse.declare.product import Dialect
from lakehouse.infer import Seen, Survey
from lakehouse.infer.dialect import NULL_TEXTS, encoding_of, header_of, sniff
from lakehouse.scratch import Scratch
from lakehouse.sources import Delivery
from lakehouse.sources.arrivals import local
from lakehouse.sources.cells import Formats, cell
from lakehouse.types import ColumnType, Primitive, literal, quote

_DATES = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%Y%m%d")
_TIMES = ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M")
_STRING = Primitive("string")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    """A type that every value of a column has, and how the column writes it."""

    type: ColumnType
    reason: str
    formats: Formats = field(default_factory=Formats)


def survey(files: Sequence[Path], sample_rows: int) -> Survey:
    """Sniff the encoding and dialect of the first file, then look at the columns that all files have, each once."""
    encoding = encoding_of(files[0])
    scratch = Scratch()
    texts = [local(_at(file), encoding, partial(scratch.folder, str(n))) for n, file in enumerate(files)]
    dialect = replace(sniff(texts[0]), encoding=encoding)
    plain = replace(dialect, encoding="utf-8")
    headers = {file: header_of(file, plain) for file in texts}
    names = [name for name in headers[texts[0]] if name and all(header.count(name) == 1 for header in headers.values())]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone='UTC'")
        _load(connection, headers, names, dialect, sample_rows)
        return _survey(connection, names, dialect, [*_left_out(list(headers.values()), names), *_foreign(encoding), *_unread(connection)])


def _at(file: Path) -> Delivery:
    return Delivery(name=file.name, location=str(file), size=0, stamp="", modified=datetime.fromtimestamp(0, UTC))


def _left_out(headers: Sequence[Sequence[str]], names: Sequence[str]) -> Iterator[str]:
    for name in sorted({name for header in headers for name in header}.difference(names)):
        if not name:
            yield "a column without a name was left out"
        elif any(header.count(name) > 1 for header in headers):
            yield f"column {name!r} is there more than once and was left out: which one is meant?"
        else:
            yield f"column {name!r} is not in every file and was left out"


def _foreign(encoding: str) -> Iterator[str]:
    if encoding != "utf-8":
        yield f"not UTF-8, read as {encoding}: look whether the texts are right"


def _unread(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """What a run would set aside of the rows that were looked at."""
    ((lines,),) = connection.execute("SELECT count(DISTINCT (file_id, line)) FROM reject_errors").fetchall()
    if lines:
        yield f"{lines:,} line{'s' if lines != 1 else ''} cannot be read with these columns, and will be quarantined"


def _survey(connection: duckdb.DuckDBPyConnection, names: Sequence[str], dialect: Dialect, notes: Sequence[str]) -> Survey:
    guesses = _settle([_guess(connection, n) for n in range(len(names))])
    nulls = _null_texts(connection, guesses)
    formats = _merged(guesses)
    dialect = replace(dialect, nulls=("", *nulls), date_format=formats.date, timestamp_format=formats.timestamp, decimal=formats.decimal)
    columns = [_seen(connection, name, n, guesses[n], dialect.nulls) for n, name in enumerate(names)]
    (rows,) = connection.execute("SELECT count(*) FROM sample").fetchall()[0]
    return Survey(columns=columns, rows=rows, dialect=dialect, notes=notes)


def _load(connection: duckdb.DuckDBPyConnection, headers: dict[Path, list[str]], names: Sequence[str], dialect: Dialect, rows: int) -> None:
    """All texts of the shared columns, as `c0`, `c1`, ... of the table `sample`."""
    reads = []
    for file, header in headers.items():
        columns = ", ".join(f"'h{n}': 'VARCHAR'" for n in range(len(header)))
        picked = ", ".join(f"h{header.index(name)} AS c{n}" for n, name in enumerate(names))
        reads.append(
            f"SELECT {picked} FROM read_csv([{literal(str(file))}], columns = {{{columns}}}, auto_detect = false, "
            f"header = {str(dialect.header).lower()}, delim = {literal(dialect.delimiter)}, quote = {literal(dialect.quote)}, "
            f"escape = {literal(dialect.escape)}, nullstr = [''], store_rejects = true)"
        )
    connection.execute(f"CREATE TEMP TABLE sample AS SELECT * FROM ({' UNION ALL '.join(reads)}) LIMIT {rows}")


def _guess(connection: duckdb.DuckDBPyConnection, position: int) -> _Guess:
    column = f"c{position}"
    if not _count(connection, _filled(column, NULL_TEXTS)):
        return _Guess(type=_STRING, reason="no value was seen")
    if _count(connection, f"regexp_full_match({column}, '[+-]?0[0-9].*') AND NOT regexp_full_match({column}, '[0-9-]+[ T:/.-].*')"):
        return _Guess(type=_STRING, reason="values begin with 0")
    return next((guess for guess in _candidates() if _fits(connection, column, guess)), _Guess(type=_STRING, reason="texts"))


def _candidates() -> Iterator[_Guess]:
    """From the narrowest to the widest; what fits none is a text."""
    yield _Guess(type=Primitive("boolean"), reason="all values are true or false")
    yield _Guess(type=Primitive("long"), reason="all values are whole numbers")
    yield _Guess(type=Primitive("double"), reason="all values are numbers")
    yield _Guess(type=Primitive("double"), reason="all values are numbers with a decimal comma", formats=Formats(decimal=","))
    yield _Guess(type=Primitive("date"), reason="all values are dates")
    yield _Guess(type=Primitive("timestamp"), reason="all values are timestamps without a zone")
    yield _Guess(type=Primitive("timestamptz"), reason="all values are timestamps with a zone")
    yield _Guess(type=Primitive("uuid"), reason="all values are UUIDs")
    for pattern in _DATES:
        yield _Guess(type=Primitive("date"), reason=f"all values are dates as {pattern}", formats=Formats(date=pattern))
    for pattern in _TIMES:
        yield _Guess(type=Primitive("timestamp"), reason=f"all values are timestamps as {pattern}", formats=Formats(timestamp=pattern))


def _fits(connection: duckdb.DuckDBPyConnection, column: str, guess: _Guess) -> bool:
    """No value is wrong, and no other reading of the day and the month is right as well."""
    if _wrong(connection, column, guess) or not _shape(connection, column, guess):
        return False
    swapped = _swapped(guess)
    return swapped is None or _wrong(connection, column, swapped)


def _wrong(connection: duckdb.DuckDBPyConnection, column: str, guess: _Guess) -> bool:
    return _count(connection, f"{_filled(column, NULL_TEXTS)} AND {cell(column, guess.type, guess.formats).wrong}") > 0


def _shape(connection: duckdb.DuckDBPyConnection, column: str, guess: _Guess) -> bool:
    """What the reader would take and a person would not mean: 0 and 1 as booleans, a bare date as an instant."""
    shapes = {
        "boolean": r"(?i)\s*(true|false)\s*",
        "timestamptz": r".*:.*(Z|[+-]\d{2}(:?\d{2})?)\s*",
        "uuid": r"(?i)[0-9a-f]{8}-.*",
        "double": r"\s*[+-]?[0-9]{0,15}([.,][0-9]*)?([eE][+-]?[0-9]+)?\s*",
    }
    shape = shapes.get(str(guess.type))
    return shape is None or not _count(connection, f"{_filled(column, NULL_TEXTS)} AND NOT regexp_full_match({column}, {literal(shape)})")


def _swapped(guess: _Guess) -> _Guess | None:
    for name in ("date", "timestamp"):
        pattern = getattr(guess.formats, name) or ""
        if "/" in pattern and not pattern.startswith("%Y"):
            first, second, rest = pattern[:2], pattern[3:5], pattern[5:]
            return replace(guess, formats=Formats(**{name: f"{second}/{first}{rest}"}))
    return None


def _settle(guesses: Sequence[_Guess]) -> Sequence[_Guess]:
    """A file has one way to write dates, timestamps and numbers: columns that differ from the first one are texts."""
    formats = _merged(guesses)
    return [guess if _agrees(guess, formats) else _Guess(type=_STRING, reason="written otherwise than other columns") for guess in guesses]


def _agrees(guess: _Guess, formats: Formats) -> bool:
    kind = str(guess.type)
    if kind == "date":
        return guess.formats.date == formats.date
    if kind in ("timestamp", "timestamptz"):
        return guess.formats.timestamp == formats.timestamp
    return kind != "double" or guess.formats.decimal == formats.decimal


def _merged(guesses: Sequence[_Guess]) -> Formats:
    dates = [g.formats.date for g in guesses if str(g.type) == "date"]
    times = [g.formats.timestamp for g in guesses if str(g.type) in ("timestamp", "timestamptz")]
    points = [g.formats.decimal for g in guesses if str(g.type) == "double"]
    return Formats(date=next(iter(dates), None), timestamp=next(iter(times), None), decimal=next(iter(points), "."))


def _null_texts(connection: duckdb.DuckDBPyConnection, guesses: Sequence[_Guess]) -> tuple[str, ...]:
    """The texts that stand where a typed column has no value: only these are known to mean none."""
    typed = [f"c{n}" for n, guess in enumerate(guesses) if guess.type != _STRING]
    return tuple(t for t in NULL_TEXTS if any(_count(connection, f"{column} = {literal(t)}") for column in typed))


def _seen(connection: duckdb.DuckDBPyConnection, name: str, position: int, guess: _Guess, nulls: Sequence[str]) -> Seen:
    column = f"c{position}"
    query = f"SELECT count(*), count(DISTINCT {column}) FROM sample WHERE {_filled(column, nulls)}"
    filled, distinct = connection.execute(query).fetchall()[0]
    return Seen(name=name, type=guess.type, filled=filled, distinct=distinct, reason=guess.reason)


def _filled(column: str, nulls: Sequence[str]) -> str:
    return f"({quote(column)} IS NOT NULL AND {quote(column)} NOT IN ({', '.join(map(literal, nulls))}))"


def _count(connection: duckdb.DuckDBPyConnection, condition: str) -> int:
    found = connection.execute(f"SELECT count(*) FROM sample WHERE {condition}").fetchall()[0][0]
    return int(found)
