"""Rows -> staged files: cast to the contract's exact types, split by its row rules in one pass, placed by write mode.

`split` writes accepted rows and set-aside rows with one COPY; `place` decides which live files go.
Next: `quarantine.py` keeps what was set aside, `gate.py` judges the rest.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from duckdb.sqltypes import DuckDBPyType
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema

from lakehouse.commit import StagedTable
from lakehouse.datafile import data_file
from lakehouse.errors import TransformFailed, Unavailable
from lakehouse.partitions import PARTITION, partition_columns
from lakehouse.rules import RowRule
from lakehouse.scan import field_ids, local_path
from lakehouse.schema import duckdb_type
from lakehouse.types import literal, or_fail, quote

FILE_SIZE = "128MB"
NOTES = ("__raw", "__type")
"""Columns beside the table's in what one pass writes: null but for rows that could not be cast."""
IN_ORDER = 1 << 30
"""Deliveries of up to so many bytes become one file, in which their rows keep their order; the engine cuts files by thread."""
_WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}
_INEXACT = {"FLOAT", "DOUBLE", "DECIMAL", "HUGEINT", "UBIGINT"}
_INSTANTS = {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """Rows that broke a row rule, as Parquet.

    `noted`: the files also hold `__raw` (the row before the cast, JSON) and `__type` (the columns that could not be cast).
    """

    files: tuple[Path, ...] = ()
    rows: int = 0
    noted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What one pass wrote."""

    accepted: tuple[DataFile, ...]
    rows: int
    aside: SetAside = field(default_factory=SetAside)


def split(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    table: StagedTable,
    rules: Sequence[RowRule],
    *,
    run_id: str,
    port: str,
    exact: bool = False,
    strict: bool = False,
    in_order: bool = False,
) -> Split:
    """Write `relation` (a table expression) into the table's folder, rows that break a rule apart from the rest.

    Raises TransformFailed when the relation's columns are not the table's. `exact` says that its types are known to be the
    table's: then the engine is not asked for them, which would plan the reading once more. `strict` gives up with the engine's
    error at the first row that breaks a rule: parting good rows from bad costs more than writing them. `in_order` keeps the rows
    in the order of the relation, in one file, where they need not be parted.
    """
    folder = run_folder(table, run_id)
    table.folders.append(folder)
    casts = _as_they_are(table.schema) if exact else _casts(connection, relation, table.schema, port)
    query = _split_query(relation, table, casts, rules, strict=strict)
    parted = bool(rules or casts.lossy) and not strict
    partitions = ["__bad"] * parted + [f"{PARTITION}{i}" for i, _ in enumerate(table.metadata.spec().fields)]
    by = f", PARTITION_BY ({', '.join(partitions)}), WRITE_PARTITION_COLUMNS false" if partitions else ""
    folder.mkdir(parents=True, exist_ok=True)
    whole = in_order and not partitions
    cut = "" if whole else f", FILE_SIZE_BYTES '{FILE_SIZE}'"
    options = (
        f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, FIELD_IDS {field_ids(table.schema, NOTES if casts.lossy else ())}{cut}{by}"
    )
    connection.execute(f"COPY ({query}) TO {literal(str(folder / 'data_0.parquet' if whole else folder))} ({options})")
    return _collect(folder, table, noted=casts.lossy)


def run_folder(table: StagedTable, run_id: str) -> Path:
    """A new folder below the table's data, named after the run so that a dead run's files can be told."""
    location = local_path(table.metadata.location)
    if "://" in location:
        raise Unavailable(f"{location}: only local warehouses are written by this engine yet", hint="MESH_PROFILE=embedded")
    return Path(location) / "data" / f"{run_id}-{uuid.uuid4().hex[:8]}"


def sweep(table: StagedTable, keep: Collection[str]) -> None:
    """Remove what was written for a staged state but for the files to `keep` (addresses): rows on their way, empty files."""
    kept = {local_path(k) for k in keep}
    for folder in table.folders:
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir():
                remove_empty(path)
            elif str(path) not in kept:
                path.unlink()
        remove_empty(folder)


def remove_empty(folder: Path) -> None:
    """Remove a folder if nothing is in it."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _collect(folder: Path, table: StagedTable, *, noted: bool) -> Split:
    good, bad, bad_rows = [], [], 0
    for path in sorted(folder.rglob("*.parquet")):
        described = data_file(path, table.metadata) if "__bad=true" not in path.parts else None
        if described is None:
            bad.append(path)
            bad_rows += _rows(path)
        elif described.record_count:
            good.append(described)
        else:
            path.unlink()
    return Split(
        accepted=tuple(good),
        rows=sum(f.record_count for f in good),
        aside=SetAside(files=tuple(bad), rows=bad_rows, noted=noted),
    )


def _rows(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)


# the cast


@dataclass(frozen=True, slots=True, kw_only=True)
class _Casts:
    """For each column of the table: the expression that gives it, and the condition under which it cannot be given."""

    select: Mapping[str, str]
    refused: Mapping[str, str]

    @property
    def lossy(self) -> bool:
        return bool(self.refused)


def _as_they_are(schema: Schema) -> _Casts:
    return _Casts(select={f.name: quote(f.name) for f in schema.fields}, refused={})


def _casts(connection: duckdb.DuckDBPyConnection, relation: str, schema: Schema, port: str) -> _Casts:
    given = {str(name): str(kind) for name, kind, *_ in connection.execute(f"describe select * from {relation}").fetchall()}
    _same_columns(given, schema, port)
    select, refused = {}, {}
    for column in schema.fields:
        name, target = quote(column.name), duckdb_type(column.field_type)
        if given[column.name] == _canonical(target):
            select[column.name] = name
        else:
            select[column.name] = f"try_cast({name} as {target})"
            refused[column.name] = _refusal(name, given[column.name], target)
    return _Casts(select=select, refused=refused)


def _same_columns(given: Mapping[str, str], schema: Schema, port: str) -> None:
    wanted = {f.name for f in schema.fields}
    problems = [f"no column {n!r}" for n in sorted(wanted - given.keys())] + [
        f"an extra column {n!r}" for n in sorted(given.keys() - wanted)
    ]
    if problems:
        raise TransformFailed(
            f"{port}: the rows have {', '.join(problems)}",
            hint="transform.py and the contract must name the same columns; change one of them",
        )


def _refusal(name: str, given: str, target: str) -> str:
    """A value is refused when it cannot be cast, or when a number or an instant would lose something on the way."""
    failed = f"try_cast({name} as {target}) is null"
    kind = given.split("(", maxsplit=1)[0]
    loses = (
        (kind in _INEXACT and target in _WHOLE)
        or (kind in _INSTANTS and target == "DATE")
        or (kind == target.split("(", maxsplit=1)[0] == "DECIMAL")
    )
    if loses:
        failed = f"({failed} or try_cast({name} as {target})::{given} is distinct from {name})"
    return f"({name} is not null and {failed})"


@lru_cache(maxsize=512)
def _canonical(kind: str) -> str:
    """How DuckDB names a type. Asked of no connection: one that is busy in another thread would refuse."""
    return str(DuckDBPyType(kind))


# the split


def _split_query(relation: str, table: StagedTable, casts: _Casts, rules: Sequence[RowRule], *, strict: bool) -> str:
    cast = [*(f"{e} as {quote(n)}" for n, e in casts.select.items()), *_notes(casts)]
    inner = f"(select {', '.join(cast)} from {relation})" if casts.lossy else relation
    columns = [quote(f.name) for f in table.schema.fields] + ([*NOTES] if casts.lossy else [])
    bad = [f"{_bad(rules, noted=casts.lossy)} as __bad"] if (rules or casts.lossy) and not strict else []
    broken = " or ".join(f"not ({r.predicate})" for r in rules)
    good = f" where {or_fail(f'({broken}) is not true')}" if rules and strict else ""
    return f"select {', '.join([*columns, *bad, *partition_columns(table.metadata.spec(), table.schema)])} from {inner}{good}"


def _notes(casts: _Casts) -> list[str]:
    """What a row looked like before a cast that failed, and the columns that failed."""
    if not casts.lossy:
        return []
    row = ", ".join(f"{literal(n)}: {quote(n)}" for n in casts.select)
    failed = ", ".join(f"case when {condition} then {literal(n)} end" for n, condition in casts.refused.items())
    return [
        f"case when {' or '.join(casts.refused.values())} then to_json({{{row}}})::varchar end as __raw",
        f"nullif(concat_ws(', ', {failed}), '') as __type",
    ]


def _bad(rules: Sequence[RowRule], *, noted: bool) -> str:
    broken = ["when __type is not null then true"] * noted + [f"when not ({r.predicate}) then true" for r in rules]
    return f"case {' '.join(broken)} else false end"


# the write modes


def same_partitions(live: Sequence[DataFile], added: Sequence[DataFile]) -> list[DataFile]:
    """The live files that lie in a partition of `added`, for any transform."""
    touched = {(f.spec_id, f.partition) for f in added}
    return [f for f in live if (f.spec_id, f.partition) in touched]
