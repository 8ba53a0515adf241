"""How is this CSV written: delimiter, quote and header, guessed from its beginning, for a person to confirm."""

from __future__ import annotations

from pathlib import Path

import duckdb

from lakehouse.declare.product import Dialect
from lakehouse.errors import WrongUse
from lakehouse.sources.lines import read_header
from lakehouse.types import literal

NULL_TEXTS = ("NA", "N/A", "n/a", "NULL", "null", "None", "NaN", "nan", "\\N", "-", ".", "?")
_EMPTY = "(empty)"


def sniff(file: Path) -> Dialect:
    """The dialect of a file; WrongUse when it is no CSV."""
    query = f"SELECT Delimiter, Quote, Escape FROM sniff_csv({literal(str(file))}, all_varchar = true)"
    try:
        with duckdb.connect() as connection:
            delimiter, quote, escape = connection.execute(query).fetchall()[0]
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise WrongUse(f"the file cannot be read as a CSV: {first}", hint="is it a text in UTF-8?", place=file.name) from None
    mark = '"' if quote == _EMPTY else quote
    dialect = Dialect(delimiter=delimiter, quote=mark, escape=mark if escape == _EMPTY else escape)
    return Dialect(delimiter=dialect.delimiter, quote=dialect.quote, escape=dialect.escape, header=_has_header(file, dialect))


def header_of(file: Path, dialect: Dialect) -> list[str]:
    """The names of a file's columns; made up where there is no header."""
    first = read_header(file.name, file, dialect)
    return first if dialect.header else [f"column_{n}" for n in range(1, len(first) + 1)]


def _has_header(file: Path, dialect: Dialect) -> bool:
    """A first line whose cells are all filled, different and no numbers is a header."""
    first = [cell.strip() for cell in read_header(file.name, file, dialect)]
    return all(first) and len(set(first)) == len(first) and not any(_number(cell) for cell in first)


def _number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True
