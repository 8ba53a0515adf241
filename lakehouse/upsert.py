"""The upsert: rows of a batch replace the rows of their key; only files that hold a touched key are rewritten.

A row equal to what is there is no change; with `order_by`, an older row is skipped and, within the batch, the newest wins.
Without `order_by` a key that comes twice in a batch stays twice, and the gate's uniqueness rule blocks it.
Next: `publish.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
from pyiceberg.manifest import DataFile

from lakehouse.commit import StagedTable
from lakehouse.manifests import Manifests, hull
from lakehouse.scan import local_path, paths, scan
from lakehouse.types import quote
from lakehouse.write import split


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """`batch` are the files with the batch's effective rows, `rewritten` the untouched rows of the `removed` files.

    `skipped` counts rows of the batch that changed nothing.
    """

    batch: tuple[DataFile, ...]
    rewritten: tuple[DataFile, ...]
    removed: tuple[DataFile, ...]
    skipped: int


def merge(
    connection: duckdb.DuckDBPyConnection,
    table: StagedTable,
    manifests: Manifests,
    accepted: Sequence[DataFile],
    *,
    key: Sequence[str],
    order_by: str | None,
    run_id: str,
) -> Merged:
    """Merge the accepted rows of a batch into the table's live files."""
    new = scan(paths(accepted), table.schema)
    near = manifests.overlapping(table.manifest_list, table.schema, hull(accepted, table.schema, key))
    old = scan(paths(near), table.schema, filename=True)
    fresh = _fresh(new, scan(paths(near), table.schema), key, order_by, [f.name for f in table.schema.fields])
    connection.execute(f"create or replace temp table __fresh as {fresh}")
    (rows,) = connection.execute("select count(*) from __fresh").fetchall()[0]
    same_key = " and ".join(f"o.{quote(k)} = n.{quote(k)}" for k in key)
    hit = connection.execute(f"select distinct filename from {old} o where exists (from __fresh n where {same_key})").fetchall()
    names = {str(row[0]) for row in hit}
    removed = tuple(f for f in near if local_path(f.file_path) in names)
    kept = f"(select o.* from {scan(paths(removed), table.schema)} o where not exists (from __fresh n where {same_key}))"
    port = str(table.address)
    batch = split(connection, "__fresh", table, (), run_id=run_id, port=port).accepted if rows else ()
    rewritten = split(connection, kept, table, (), run_id=run_id, port=port).accepted if removed else ()
    return Merged(batch=batch, rewritten=rewritten, removed=removed, skipped=sum(f.record_count for f in accepted) - rows)


def _fresh(new: str, old: str, key: Sequence[str], order_by: str | None, columns: Sequence[str]) -> str:
    """The rows of the batch that change something; and all rows of a key that comes twice, undecided by an order, for the gate to see."""
    same_key = " and ".join(f"o.{quote(k)} = n.{quote(k)}" for k in key)
    same_row = " and ".join(f"o.{quote(c)} is not distinct from n.{quote(c)}" for c in columns)
    known = f"exists (select 1 from {old} o where {same_key} and {same_row})"
    keys = ", ".join("n." + quote(k) for k in key)
    newer = ""
    if order_by is not None:
        ours, theirs = f"n.{quote(order_by)}", f"o.{quote(order_by)}"
        later = f"{theirs} > {ours} or ({ours} is null and {theirs} is not null)"
        newer = f" and not exists (select 1 from {old} o where {same_key} and ({later}))"
        new = f"(select distinct * from {new} n qualify rank() over (partition by {keys} order by {ours} desc nulls last) = 1)"
    numbered = f"(select *, count(*) over (partition by {keys}) as __times from {new} n)"
    return f"select n.* exclude (__times) from {numbered} n where __times > 1 or (not {known}{newer})"
