"""How is this CSV written: encoding, delimiter, quote and header, guessed from its beginning, for a person to confirm."""

from __future__ import annotations

import codecs
import gzip
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Literal, cast

import duckdb

from lakehouse.declare.product import Dialect
from lakehouse.errors import WrongUse
from lakehouse.sources.lines import locate, read_header
from lakehouse.types import literal

NULL_TEXTS = ("NA", "N/A", "n/a", "NULL", "null", "None", "NaN", "nan", "\\N", "-", ".", "?")
_EMPTY = "(empty)"
_CHUNK = 1 << 20
Encoding = Literal["utf-8", "utf-16", "latin-1"]


def sniff(file: Path) -> Dialect:
    """The dialect of a file; WrongUse when it is no CSV. Lines that do not fit are passed over where several columns are seen only so."""
    found: list[Dialect] = []
    problem = ""
    for options in ("", ", ignore_errors = true"):
        try:
            found.append(_sniffed(file, options))
        except duckdb.Error as error:
            problem = str(error).splitlines()[0]
    if not found:
        raise WrongUse(f"the file cannot be read as a CSV: {problem}", hint="is it a text, one record a line?", place=file.name)
    return next((dialect for dialect in found if len(read_header(file.name, file, dialect)) > 1), found[0])


def _sniffed(file: Path, options: str) -> Dialect:
    query = f"SELECT Delimiter, Quote, Escape FROM sniff_csv({literal(str(file))}, all_varchar = true{options})"
    with duckdb.connect() as connection:
        delimiter, quote, escape = connection.execute(query).fetchall()[0]
    mark = '"' if quote == _EMPTY else quote
    dialect = Dialect(delimiter=delimiter, quote=mark, escape=mark if escape == _EMPTY else escape)
    return replace(dialect, header=_has_header(file, dialect))


def header_of(file: Path, dialect: Dialect) -> list[str]:
    """The names of a file's columns; made up where there is no header."""
    first = read_header(file.name, file, dialect)
    return first if dialect.header else [f"column_{n}" for n in range(1, len(first) + 1)]


def encoding_of(file: Path) -> Encoding:
    """UTF-8 where every byte fits, UTF-16 where the file says so; any other bytes are read as Latin-1, which fits always."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with cast("BinaryIO", gzip.open(file, "rb")) if file.suffix == ".gz" else file.open("rb") as there:
        if there.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        there.seek(0)
        try:
            while chunk := there.read(_CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"


def _has_header(file: Path, dialect: Dialect) -> bool:
    """A first line whose cells are all filled, different and no numbers is a header; one that is not so tidy, before a line with digits."""
    first = [cell.strip() for cell in read_header(file.name, file, dialect)]
    if not any(first) or any(_number(cell) for cell in first):
        return False
    return (all(first) and len(set(first)) == len(first)) or _digits(file, dialect, len(first))


def _digits(file: Path, dialect: Dialect, width: int) -> bool:
    """Whether a cell of the second line begins with a digit, as numbers and dates do."""
    second = next(locate(file, replace(dialect, header=True), width, (), (0,)), None)
    return second is not None and any(cell.strip().lstrip("+-")[:1].isdigit() for cell in second.fields)


def _number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True
