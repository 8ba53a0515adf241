"""Rows in the form that was asked for: a table for people, CSV, JSON, Parquet or Arrow for programs; to stdout or a file.

What is written appears whole or not at all.
"""

from __future__ import annotations

import csv
import itertools
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from lakehouse.errors import Unavailable, WrongUse
from lakehouse.ports.admission import told
from lakemesh.render import table, text, to_json
from lakemesh.session import new_run_id, note

if TYPE_CHECKING:
    from lakehouse.ports.sql import Answer

Format = Literal["table", "csv", "json", "parquet", "arrow"]
_SHOWN = 1_000
_BY_SUFFIX: dict[str, Format] = {".csv": "csv", ".json": "json", ".parquet": "parquet", ".arrow": "arrow"}


def chosen(form: Format | None, output: Path | None, *, json: bool) -> Format:
    """The format: as asked, else as the file is called, else JSON or a table."""
    if form:
        return form
    if json:
        return "json"
    return _BY_SUFFIX.get(output.suffix, "csv") if output else "table"


def check_target(form: Format, output: Path | None, *, json: bool) -> None:
    """Refuse what would fill a terminal with bytes, or a place that cannot be written, before anything is computed."""
    if json and output is None and form != "json":
        raise WrongUse(f"--json prints JSON, --format {form} asks for something else", hint="leave one of them out, or name a file with -o")
    if output is not None and form == "table":
        raise WrongUse("a table is for people to look at, not for a file", hint="--format csv")
    if output is None and form in ("parquet", "arrow") and sys.stdout.isatty():
        raise WrongUse(f"{form} is not for a terminal", hint="name a file with -o FILE, or redirect the output")
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        what = "is a folder" if output.is_dir() else "is in no folder that exists"
        raise WrongUse(f"{output} {what}", hint="name a file with -o FILE")


def write(answer: Answer, form: Format, output: Path | None) -> int:
    """Write the rows; say how many they were."""
    writer = _WRITERS[form]
    with told(answer.files):
        return _to_stdout(answer, writer) if output is None else _to_file(answer, writer, output)


def _to_stdout(answer: Answer, writer: Writer) -> int:
    """Whole or not at all, too: a query may fail at its last row, and half a document is none."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as file:
        rows = writer(answer, file)
        file.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(file.buffer, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    return rows


def _to_file(answer: Answer, writer: Writer, output: Path) -> int:
    unfinished = output.with_name(f".{output.name}.{new_run_id()}")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            rows = writer(answer, file)
        unfinished.replace(output)
    except OSError as error:
        raise Unavailable(f"{output} cannot be written: {error.strerror}", hint="name another file with -o FILE") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return rows


Writer = Callable[["Answer", TextIO], int]


def _table(answer: Answer, _file: TextIO) -> int:
    rows = answer.relation.limit(_SHOWN + 1).fetchall()
    table(answer.columns, rows[:_SHOWN])
    if len(rows) > _SHOWN:
        note(f"only the first {_SHOWN:,} rows are shown; --format csv or json gives all")
    return min(len(rows), _SHOWN)


def _csv(answer: Answer, file: TextIO) -> int:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(answer.columns)
    count = 0
    for rows in answer.rows():
        writer.writerows([text(value) for value in row] for row in rows)
        count += len(rows)
    return count


def _json(answer: Answer, file: TextIO) -> int:
    columns, written = _distinct(answer.columns), 0
    file.write("[")
    for rows in answer.rows():
        for row in rows:
            file.write(("\n" if not written else ",\n") + to_json(dict(zip(columns, row, strict=True))))
            written += 1
    file.write("\n]\n" if written else "]\n")
    return written


def _distinct(columns: Sequence[str]) -> list[str]:
    """Names as the keys of an object: a second `id` is `id_1`, as in DuckDB, and no column is lost."""
    names: list[str] = []
    for column in columns:
        free = next(name for n in itertools.count() if (name := f"{column}_{n}" if n else column) not in names)
        names.append(free)
    return names


def _parquet(answer: Answer, file: TextIO) -> int:
    import pyarrow.parquet as pq

    reader = answer.relation.to_arrow_reader(100_000)
    count = 0
    with pq.ParquetWriter(file.buffer, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def _arrow(answer: Answer, file: TextIO) -> int:
    import pyarrow as pa

    reader = answer.relation.to_arrow_reader(100_000)
    count = 0
    with pa.ipc.new_stream(file.buffer, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


_WRITERS: dict[Format, Writer] = {"table": _table, "csv": _csv, "json": _json, "parquet": _parquet, "arrow": _arrow}
