"""What do these files look like: a draft of a declaration, each guess with its evidence.

A guess that later turns out wrong quarantines good rows, so guesses are cautious: a column has a type only if every value seen
has it under the very rules of the reader, and nothing that values only happen to show (a range, a set) becomes a rule.
Next: `csv.py`, `jsonl.py`, `parquet.py`; `names.py` makes column names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.declare.product import Dialect, Format
from lakehouse.errors import WrongUse
from lakehouse.types import ColumnType

SAMPLE_ROWS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftColumn:
    """A guessed column. `physical_name` is its name in the files; `unique` and `required` held in every row seen."""

    name: str
    physical_name: str
    type: ColumnType
    required: bool
    unique: bool
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A guessed declaration. `whole`: every row was seen, not only the first of them; `notes` are for the person."""

    format: Format
    dialect: Dialect
    columns: tuple[DraftColumn, ...]
    key_candidates: tuple[str, ...]
    rows: int
    whole: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a format's module saw of one column: `filled` values that are there, `distinct` of them, and why it has its type."""

    name: str
    type: ColumnType
    filled: int
    distinct: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a format's module saw of the files."""

    columns: Sequence[Seen]
    rows: int
    dialect: Dialect = field(default_factory=Dialect)
    notes: Sequence[str] = ()


def infer(files: Sequence[Path], *, sample_rows: int = SAMPLE_ROWS) -> Draft:
    """Look at the first `sample_rows` rows of local files of one format; WrongUse when there is nothing to see."""
    form = _format(files)
    empty = [file for file in files if not file.stat().st_size]
    if empty:
        raise WrongUse("the file is empty", hint="name files with a header and a row", place=empty[0].name)
    survey = _survey(form, files, sample_rows)
    if not survey.columns or not survey.rows:
        raise WrongUse("the files have no rows to learn from", hint="name files with a header and a row", place=files[0].name)
    return _draft(form, survey, sample_rows)


def _format(files: Sequence[Path]) -> Format:
    if not files:
        raise WrongUse("no files are there", hint="name a CSV, JSON lines or Parquet file, a folder of them or a glob")
    found = {_FORMATS.get("".join(f.suffixes[-1:] if f.suffix != ".gz" else f.suffixes[-2:-1])) for f in files}
    (form, *others) = found
    if form is None or others:
        raise WrongUse("the files are not all of one format", hint="use .csv, .jsonl or .parquet files", place=files[0].name)
    return form


_FORMATS: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


def _survey(form: Format, files: Sequence[Path], sample_rows: int) -> Survey:
    if form == "csv":
        from lakehouse.infer.csv import survey
    elif form == "jsonl":
        from lakehouse.infer.jsonl import survey
    else:
        from lakehouse.infer.parquet import survey
    return survey(files, sample_rows)


def _draft(form: Format, survey: Survey, sample_rows: int) -> Draft:
    from lakehouse.infer.names import column_names

    names = column_names([seen.name for seen in survey.columns])
    columns = tuple(_column(name, seen, survey.rows) for name, seen in zip(names, survey.columns, strict=True))
    return Draft(
        format=form,
        dialect=survey.dialect,
        columns=columns,
        key_candidates=tuple(c.name for c in columns if c.unique and str(c.type) in _KEYS),
        rows=survey.rows,
        whole=survey.rows < sample_rows,
        notes=tuple(survey.notes),
    )


_KEYS = frozenset(("int", "long", "string", "uuid", "date", "timestamp", "timestamptz"))


def _column(name: str, seen: Seen, rows: int) -> DraftColumn:
    empty = rows - seen.filled
    unique = rows > 1 and seen.filled == seen.distinct == rows
    distinct = f"{seen.distinct} distinct values in {rows} rows" if unique else ""
    evidence = "; ".join(part for part in (seen.reason, f"{empty} of {rows} rows empty", distinct) if part)
    return DraftColumn(name=name, physical_name=seen.name, type=seen.type, required=empty == 0, unique=unique, evidence=evidence)
