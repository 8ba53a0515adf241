"""The only home of pyiceberg's private hooks: staged tables, and N of them made current in one transaction.

pyiceberg commits a table at a time, and after a conflict silently rebases what nobody audited. Here each table's new
metadata is written first, where nothing points at it; then one short database transaction compares each table's pointer
with the audited base and swaps it, together with whatever the caller records. What was private in pyiceberg when this was
written is guarded by version. Next: `write.py`.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyiceberg
from pyiceberg.exceptions import NoSuchTableError, ValidationError
from pyiceberg.io import FileIO
from pyiceberg.manifest import UNASSIGNED_SEQ, DataFile, ManifestContent, ManifestFile
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CreateTableTransaction, Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.table.update import (
    AssertCreate,
    RemoveSnapshotsUpdate,
    _apply_table_update,
    _TableMetadataUpdateContext,
    _update_table_metadata_log,
)
from pyiceberg.table.update.snapshot import _FastAppendFiles, _ManifestMergeManager, _SnapshotProducer
from sqlalchemy import Connection, text

from lakehouse.address import Address
from lakehouse.catalogs import MeshCatalog
from lakehouse.errors import Damaged, LeaseLost, PublishConflict, Unavailable
from lakehouse.store.engine import writing

PROVEN = "0.12."
MERGED = 8
"""So many manifests of one magnitude are merged; a power of two."""
LARGE = 3
"""Manifests of so many magnitudes, of 512 files, are left as they are."""
PROPERTIES = {
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "50",
    "commit.manifest.target-size-bytes": "65536",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "5",
    "write.parquet.compression-codec": "zstd",
}

if not pyiceberg.__version__.startswith(PROVEN):
    raise Unavailable(
        f"pyiceberg {pyiceberg.__version__} is installed; the publish step is proven on {PROVEN}x only",
        hint=f"pip install 'pyiceberg=={PROVEN}0'",
    )


class _Cached(Transaction):
    """Applies each update once; pyiceberg applies all of them anew, and deep-copies all metadata, at each look."""

    def __init__(self, table: Table) -> None:
        self._context = _TableMetadataUpdateContext()
        self._applied, self._seen = table.metadata, 0
        super().__init__(table)

    @property
    def table_metadata(self) -> TableMetadata:
        for update in self._updates[self._seen :]:
            self._applied = _apply_table_update(update, self._applied, self._context)
        self._seen = len(self._updates)
        return self._applied


class _Change(_Cached):
    """The next state of a table that is there."""


class _Creation(_Cached, CreateTableTransaction):
    """The first state of a table that is not there yet."""


@dataclass(slots=True)
class StagedTable:
    """One table's next state in an open transaction that nothing points at. `base` is None for a table that is yet to be.

    `folders` are what was written for it: files of theirs that are not in `added` were needed on the way only. `manifests` are
    those of the present state, None where nobody has said them.
    """

    address: Address
    transaction: Transaction
    base: Table | None
    added: list[DataFile] = field(default_factory=list)
    removed: list[DataFile] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    manifests: Sequence[ManifestFile] | None = None

    @property
    def metadata(self) -> TableMetadata:
        return self.transaction.table_metadata

    @property
    def schema(self) -> Schema:
        return self.metadata.schema()

    @property
    def io(self) -> FileIO:
        return self.transaction._table.io

    @property
    def manifest_list(self) -> str | None:
        """The staged state's manifest list; None while the table is empty."""
        snapshot = self.metadata.current_snapshot()
        return snapshot.manifest_list if snapshot else None

    @property
    def changed(self) -> bool:
        return bool(self.transaction._updates)

    def imagined(self) -> Table:
        """The table as it would be if this were published. Nothing that comes after it can be."""
        now = self.transaction._table
        return Table(now.name(), self.metadata, "", self.io, now.catalog)

    def put(self, added: Sequence[DataFile], removed: Sequence[DataFile], properties: dict[str, str]) -> None:
        """Make the next snapshot: an append when nothing goes, else an overwrite by explicit lists of files."""
        if not added and not removed:
            return
        update = self.transaction.update_snapshot(snapshot_properties=properties)
        with self._producing(update.overwrite() if removed else update.fast_append()) as snapshot:
            for file in added:
                snapshot.append_data_file(file)
            for file in removed:
                snapshot.delete_data_file(file)
        for manifest in self.manifests or ():
            if manifest.sequence_number == UNASSIGNED_SEQ:  # as a list of Iceberg's first version is read
                manifest.sequence_number = manifest.min_sequence_number = 0
        self.added += added
        self.removed += removed

    def _producing(self, producer: _SnapshotProducer[Any]) -> _SnapshotProducer[Any]:
        """The producer, which takes the present manifests from here and leaves the next here: no list is read back.

        An overwrite looks for the removed files in the manifests that it reads.
        """
        appends, before = isinstance(producer, _FastAppendFiles), self.manifests

        def processed(manifests: list[ManifestFile]) -> list[ManifestFile]:
            self.manifests = _merged(producer, manifests)
            return self.manifests

        producer._process_manifests = processed  # type: ignore[method-assign]
        if appends and before is not None:
            producer._existing_manifests = lambda: list(before)  # type: ignore[method-assign]
        return producer

    def expire(self, keep: Iterable[int]) -> list[str]:
        """Take all snapshots but `keep` and the current one out of the metadata; give their manifest lists. No file is removed."""
        current = self.metadata.current_snapshot_id
        gone = [s for s in self.metadata.snapshots if s.snapshot_id not in set(keep) and s.snapshot_id != current]
        if gone:
            self.transaction._stage((RemoveSnapshotsUpdate.model_validate({"snapshot-ids": [s.snapshot_id for s in gone]}),))
        return [s.manifest_list for s in gone]


def _merged(producer: _SnapshotProducer[Any], manifests: Sequence[ManifestFile]) -> list[ManifestFile]:
    """`MERGED` manifests of about as many files become one: a list stays short, and each file is written into few manifests.

    pyiceberg fills manifests up to a size, so that a small one is written again and again until it has grown to it.
    """
    live = [m for m in manifests if m.added_snapshot_id == producer.snapshot_id or m.has_added_files() or m.has_existing_files()]
    alike: dict[tuple[int, int], list[ManifestFile]] = defaultdict(list)
    for manifest in live:
        if manifest.added_snapshot_id != producer.snapshot_id and manifest.content == ManifestContent.DATA:
            alike[manifest.partition_spec_id, _magnitude(manifest)].append(manifest)
    for (_, magnitude), some in alike.items():
        if len(some) >= MERGED and magnitude < LARGE:
            together = _ManifestMergeManager(sys.maxsize, 0, merge_enabled=True, snapshot_producer=producer).merge_manifests(some)
            return [*(m for m in live if m not in some), *together]
    return live


def _magnitude(manifest: ManifestFile) -> int:
    files = (manifest.added_files_count or 0) + (manifest.existing_files_count or 0)
    return (max(files, 1).bit_length() - 1) // (MERGED.bit_length() - 1)


@dataclass(frozen=True, slots=True)
class Committed:
    """A table's state after the commit."""

    address: Address
    metadata: TableMetadata
    metadata_location: str


def load(catalog: MeshCatalog, address: Address) -> Table | None:
    """The table as it is now, or None."""
    try:
        return catalog.load_table(address.identifier)
    except NoSuchTableError:
        return None
    except (OSError, ValueError, ValidationError) as error:
        raise Damaged(
            f"the metadata of {address} is missing or unreadable: {error}",
            place=str(address),
            hint="restore the file, or the mesh from a backup: mesh verify names every damaged file",
        ) from error


def stage(catalog: MeshCatalog, address: Address, table: Table | None, create: Callable[[], tuple[Schema, PartitionSpec]]) -> StagedTable:
    """Open a table's next state; a table that is not there yet is created in the same transaction."""
    if table is not None:
        return StagedTable(address, _Change(table), table)
    schema, spec = create()
    location = f"{catalog.properties['warehouse']}/{address.domain}/{address.port}"
    fresh = catalog._create_staged_table(address.identifier, schema, location, spec, UNSORTED_SORT_ORDER, PROPERTIES)
    return StagedTable(address, _Creation(fresh), None)


def commit(
    catalog: MeshCatalog,
    staged: Sequence[StagedTable],
    record: Callable[[Connection, Sequence[Committed]], None],
    *,
    fault: Callable[[str], None],
) -> list[Committed]:
    """Make all staged tables current and `record` the fact, in one transaction; or raise PublishConflict with nothing changed.

    Unavailable says nothing of the outcome: what was recorded is there if and only if all of it happened.

    Fault points: k6 before, k7 after the metadata files; k11 between two tables' swaps; k8 after the commit.
    """
    fault("k6")
    ready = [_write_metadata(catalog, table) for table in sorted(staged, key=lambda s: s.address) if table.changed]
    fault("k7")
    try:
        with writing(catalog.engine) as connection:
            record(connection, [done for _, done in ready])  # first: who is no longer the writer hears that, not that a table moved
            for table, done in ready:
                _swap(connection, catalog.name, table, done)
                fault("k11")
    except (PublishConflict, LeaseLost):
        for table, done in ready:
            with suppress(FileNotFoundError):  # who took over has removed it
                table.io.delete(done.metadata_location)
        raise
    fault("k8")
    for table, done in ready:
        if table.base is not None:
            # pyiceberg does this in Table._do_commit, which is never called here
            catalog._delete_old_metadata(table.io, table.base.metadata, done.metadata)
    return [done for _, done in ready]


def _write_metadata(catalog: MeshCatalog, table: StagedTable) -> tuple[StagedTable, Committed]:
    metadata, location = _created(catalog, table) if table.base is None else _changed(table, table.base)
    catalog._write_metadata(metadata, table.io, location)
    catalog.known[location] = metadata
    return table, Committed(table.address, metadata, location)


def _created(catalog: MeshCatalog, table: StagedTable) -> tuple[TableMetadata, str]:
    made = catalog._update_and_stage_table(None, table.address.identifier, (AssertCreate(),), table.transaction._updates)
    return made.metadata, made.metadata_location


def _changed(table: StagedTable, base: Table) -> tuple[TableMetadata, str]:
    """The next metadata as the transaction has it, after the checks that pyiceberg would make; what it would do again is not."""
    for requirement in table.transaction._requirements:
        requirement.validate(base.metadata)
    changed = table.metadata
    changed.spec().check_compatible(changed.schema())
    changed.sort_order().check_compatible(changed.schema())
    if changed.last_updated_ms == base.metadata.last_updated_ms:  # no new snapshot, whose time it would be
        changed = changed.model_copy(update={"last_updated_ms": base.metadata.last_updated_ms + 1})
    metadata = _update_table_metadata_log(changed, base.metadata_location, base.metadata.last_updated_ms)
    version = MeshCatalog._parse_metadata_version(base.metadata_location) + 1
    return metadata, base.location_provider().new_table_metadata_file_location(version)


_SWAP = text(
    "update iceberg_tables set metadata_location = :new, previous_metadata_location = :old"
    " where catalog_name = :catalog and table_namespace = :namespace and table_name = :name and metadata_location = :old"
)
_CREATE = text(
    "insert into iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, iceberg_type)"
    " select :catalog, :namespace, :name, :new, 'TABLE' where not exists (select 1 from iceberg_tables"
    " where catalog_name = :catalog and table_namespace = :namespace and table_name = :name)"
)


def _swap(connection: Connection, catalog: str, table: StagedTable, done: Committed) -> None:
    values = {"catalog": catalog, "namespace": table.address.domain, "name": table.address.port, "new": done.metadata_location}
    if table.base is not None:
        changed = connection.execute(_SWAP, {**values, "old": table.base.metadata_location}).rowcount
    else:
        changed = connection.execute(_CREATE, values).rowcount
    if changed != 1:
        raise PublishConflict(f"{table.address} moved since its audited base", hint="the run stages and audits again")
