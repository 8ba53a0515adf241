"""Rows set aside: kept with rule, reason, origin and batch in the port's own quarantine table, which only its owner reads.

`keep` writes them as part of a publication; listing, replay and discard are the way back.
Next: `publish.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import duckdb
import pyarrow as pa
from pyiceberg.manifest import DataFile

from lakehouse.address import Address
from lakehouse.commit import StagedTable, load
from lakehouse.declare.contract import Column, Contract, Place
from lakehouse.errors import WrongUse
from lakehouse.mesh import Mesh
from lakehouse.pins import pinned
from lakehouse.rules import RowRule
from lakehouse.scan import paths, scan
from lakehouse.sources import Rejected
from lakehouse.sources.rows import MAX_RAW
from lakehouse.types import Primitive, literal, quote
from lakehouse.write import SetAside, split

_PLACE = Place(file="lakehouse/quarantine.py")
SHORTEST_ID = 6
NO_TEXT = "invalid encoding"
"""How the reason of a source row begins whose bytes are not of the declared encoding."""
_COLUMNS = ("id", "rule", "reason", "origin", "batch", "partition", "file", "line", "row", "at")


_UNREAD = "select 'type' as rule, reason, 'source' as origin, null::varchar as partition, file, line, raw as row from __rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedRow:
    """One row set aside. `row` is its JSON for origin output, the raw text for origin source; `line` counts from 1 in `file`.

    `partition` is None where the row does not tell it.
    """

    id: str
    rule: str
    reason: str
    origin: Literal["source", "output"]
    batch: str
    partition: str | None
    file: str | None
    line: int | None
    row: str
    at: datetime

    @property
    def content(self) -> object:
        """What a person is shown: the row's columns, or the raw text. NaN and infinity are texts, since JSON has no such numbers."""
        return json.loads(self.row, parse_float=Decimal, parse_constant=str) if self.origin == "output" else {"raw": self.row}

    @property
    def as_delivered(self) -> bool:
        """Whether `row` says all that was delivered: it was not cut, and holds no stand-ins for bytes that were no text."""
        return self.origin == "output" or (len(self.row) < MAX_RAW and not self.reason.startswith(NO_TEXT))


def contract_of(port: Address) -> Contract:
    """The contract of a port's quarantine table: the same for every port, so that it never has to evolve with one."""
    types = {"line": Primitive("long"), "at": Primitive("timestamptz")}
    columns = tuple(Column(name=n, type=types.get(n, Primitive("string")), place=_PLACE) for n in _COLUMNS)
    return Contract(address=port.quarantine, version="1.0.0", columns=columns, place=_PLACE)


def keep(
    connection: duckdb.DuckDBPyConnection,
    table: StagedTable,
    aside: SetAside,
    rejected: Sequence[Rejected],
    rules: Sequence[RowRule],
    columns: Sequence[str],
    *,
    batch: str,
    file: str | None,
    partition: str,
    at: datetime,
    run_id: str,
) -> tuple[DataFile, ...]:
    """Write rows that broke a rule and source rows that could not be read; `partition` is an SQL expression over the port's columns.

    `file` is the delivery that all rows are made from, where it is one.
    """
    parts = [_broken(aside, rules, columns, partition)] if aside.files else []
    if rejected:
        connection.register("__rejected", _table(rejected))
        parts.append(_UNREAD)
    both = " union all by name ".join(parts)
    stamps = f"{literal(batch)} as batch, {literal(at.isoformat())}::timestamptz as at"
    named = f"coalesce(file, {literal(file) if file else 'null'}) as file"
    stamped = f"(select uuid()::varchar as id, * replace ({named}), {stamps} from ({both}))"
    return split(connection, stamped, table, (), run_id=run_id, port=str(table.address)).accepted


def _broken(aside: SetAside, rules: Sequence[RowRule], columns: Sequence[str], partition: str) -> str:
    struct = "to_json({" + ", ".join(f"{literal(c)}: {quote(c)}" for c in columns) + "})::varchar"
    names = [f"case when not ({r.predicate}) then {literal(r.name)} end" for r in rules]
    reasons = [f"case when not ({r.predicate}) then {literal(r.description)} end" for r in rules]
    row = struct
    if aside.noted:
        row = f"coalesce(__raw, {struct})"
        names = ["case when __type is not null then 'type' end", *names]
        reasons = ["'cannot be cast: ' || __type", *reasons]
    files = ", ".join(literal(str(f)) for f in aside.files)
    return (
        f"select coalesce({', '.join(names)}) as rule, concat_ws('; ', {', '.join(reasons)}) as reason, 'output' as origin,"
        f" ({partition})::varchar as partition, null::varchar as file, null::bigint as line, {row} as row"
        f" from read_parquet([{files}], hive_partitioning=false)"
    )


def _table(rejected: Sequence[Rejected]) -> pa.Table:
    return pa.table(
        {
            "file": pa.array([r.file for r in rejected], pa.string()),
            "line": pa.array([r.line for r in rejected], pa.int64()),
            "raw": pa.array([r.raw for r in rejected], pa.string()),
            "reason": pa.array([f"{r.column}: {r.reason}" if r.column else r.reason for r in rejected], pa.string()),
        }
    )


def failing_by_rule(connection: duckdb.DuckDBPyConnection, aside: SetAside, rules: Sequence[RowRule]) -> dict[str, int]:
    """How many set-aside rows broke each rule; a row may break several."""
    if not aside.files:
        return {}
    counts = [f"count(*) filter (where not ({r.predicate}))" for r in rules]
    counts += ["count(*) filter (where __type is not null)"] if aside.noted else []
    files = ", ".join(literal(str(f)) for f in aside.files)
    found = connection.execute(f"select {', '.join(counts)} from read_parquet([{files}], hive_partitioning=false)").fetchall()[0]
    return dict(zip([*(r.name for r in rules), "type"], found, strict=False))


def rows(mesh: Mesh, port: Address) -> list[QuarantinedRow]:
    """All rows that are set aside for a port now, oldest first."""
    columns = ", ".join(quote(c) for c in _COLUMNS)
    found = _ask(mesh, port, f'select {columns} from {{kept}} order by "at", batch, line, id')
    return [QuarantinedRow(**dict(zip(_COLUMNS, values, strict=True))) for values in found]


def still(mesh: Mesh, port: Address, rows: Sequence[QuarantinedRow]) -> list[QuarantinedRow]:
    """Those of `rows` that are set aside still: who looked before holding the product's lease may come second."""
    there = {id for (id,) in _ask(mesh, port, "select id from {kept}")}
    return [r for r in rows if r.id in there]


def _ask(mesh: Mesh, port: Address, query: str) -> list[tuple[Any, ...]]:
    """A query over a port's quarantine as it was published last, which it calls `{kept}`."""
    table = load(mesh.catalog, port.quarantine)
    if table is None:
        return []
    with pinned(mesh, {port: mesh.declarations.producer(port).address}, f"quarantine of {port}") as pins, mesh.connection() as connection:
        files = mesh.manifests.files(pins[port].state.quarantine) if port in pins else ()
        return connection.execute(query.format(kept=scan(paths(files), table.schema()))).fetchall()


def chosen(mesh: Mesh, port: Address, ids: Sequence[str] | None) -> list[QuarantinedRow]:
    """The rows with these ids (or their beginnings), or all; WrongUse when one is not there."""
    kept = rows(mesh, port)
    if ids is None:
        return kept
    unknown = [i for i in ids if len(i) < SHORTEST_ID or not any(r.id.startswith(i) for r in kept)]
    if unknown:
        raise WrongUse(f"{port} has no quarantined row {', '.join(unknown)}", hint=f"mesh quarantine list {port}")
    return [r for r in kept if any(r.id.startswith(i) for i in ids)]
