"""Which data files make up a state: manifest lists and manifests, each read once, and pruned by column bounds.

Manifests are immutable, so what was read of one is kept by its path. A table with row-level deletes is refused: this
engine would show rows that another engine has deleted. Next: `commit.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import cached_property
from typing import Any

from cachetools import LRUCache
from pyiceberg.conversions import from_bytes
from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile, ManifestContent, ManifestFile, read_manifest_list
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.types import PrimitiveType
from pyiceberg.utils.datetime import date_to_days, datetime_to_micros, time_to_micros

from lakehouse.errors import Damaged, Unavailable

Bounds = tuple[Any, Any]
"""Smallest and largest value of a column, both included; None when a file does not say."""

_UNREADABLE = (OSError, EOFError, ValueError, LookupError, TypeError)
"""What pyiceberg raises on a file that is missing, cut or scribbled over."""
_KEPT_FILES = 200_000
_KEPT_LISTS = 256


@dataclass
class _Manifest:
    """The live files of one manifest, and the bounds of a column over all of them once somebody asked."""

    files: tuple[DataFile, ...]
    hulls: dict[int, Bounds | None] = field(default_factory=dict)

    @cached_property
    def paths(self) -> frozenset[str]:
        return frozenset(f.file_path for f in self.files)


class Manifests:
    """Reads manifest lists and manifests through `io`, keeping what it read."""

    def __init__(self, io: FileIO) -> None:
        self._io = io
        self._kept: LRUCache[str, _Manifest] = LRUCache(_KEPT_FILES, getsizeof=lambda manifest: len(manifest.files) + 1)
        self._lists: LRUCache[str, tuple[ManifestFile, ...]] = LRUCache(_KEPT_LISTS)

    def fresh(self) -> Manifests:
        """Another reader of the same files, which has read nothing yet."""
        return Manifests(self._io)

    def learn(
        self, metadata: TableMetadata, listed: Sequence[ManifestFile], added: Sequence[DataFile], removed: Sequence[DataFile]
    ) -> None:
        """Remember which files the new manifests of the current snapshot hold, which this process has just made, instead of reading them.

        Those that it kept of the manifests that were replaced can be in one new manifest or in several; then they are read.
        """
        snapshot = metadata.current_snapshot()
        if snapshot is None or not (added or removed):
            return
        self._lists[snapshot.manifest_list] = tuple(listed)
        parent = metadata.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
        kept = self._kept_of(parent, snapshot, {f.file_path for f in removed})
        for manifest in self.manifests(snapshot.manifest_list):
            if manifest.added_snapshot_id == snapshot.snapshot_id and kept is not None:
                files = (*(added if manifest.added_files_count else ()), *(kept if manifest.existing_files_count else ()))
                if len(files) == (manifest.added_files_count or 0) + (manifest.existing_files_count or 0):
                    self._keep(manifest.manifest_path, _Manifest(files))

    def _kept_of(self, parent: Snapshot | None, snapshot: Snapshot, removed: set[str]) -> tuple[DataFile, ...] | None:
        """The files of the manifests that `snapshot` no longer lists, but for the removed ones; None when one of them is not known."""
        listed = {m.manifest_path for m in self.manifests(snapshot.manifest_list)}
        replaced = {m.manifest_path for m in self.manifests(parent.manifest_list if parent else None)} - listed
        if not replaced <= self._kept.keys():
            return None
        return tuple(f for path in replaced for f in self._kept[path].files if f.file_path not in removed)

    def files(self, manifest_list: str | None) -> tuple[DataFile, ...]:
        """The live data files of a snapshot."""
        return tuple(f for m in self.manifests(manifest_list) for f in self._manifest(m).files)

    def manifests(self, manifest_list: str | None) -> tuple[ManifestFile, ...]:
        """The manifests of a snapshot; empty before the first."""
        if manifest_list is None:
            return ()
        found = self._lists.get(manifest_list)
        if found is None:
            found = self._lists[manifest_list] = self._read_list(manifest_list)
        return found

    def reached(self, manifest_lists: Iterable[str | None]) -> set[str]:
        """The manifest lists, their manifests and data files: all that some snapshots lead to. A shared manifest is looked at once."""
        lists = {found for found in manifest_lists if found is not None}
        manifests = self._of(lists)
        return lists.union(manifests, *(self._manifest(m).paths for m in manifests.values()))

    def reached_only(self, manifest_lists: Iterable[str], live: Iterable[str]) -> set[str]:
        """The same of some snapshots, without what others lead to; that the others have many files costs little."""
        others = set(live)
        lists = set(manifest_lists) - others
        theirs, manifests = self._of(others), self._of(lists)
        alone = {path: m for path, m in manifests.items() if path not in theirs}
        files = set().union(*(self._manifest(m).paths for m in alone.values()))
        for manifest in theirs.values() if files else ():
            files -= files & self._manifest(manifest).paths
        return lists.union(alone, files)

    def _of(self, manifest_lists: Iterable[str]) -> dict[str, ManifestFile]:
        return {m.manifest_path: m for found in manifest_lists for m in self.manifests(found)}

    def overlapping(self, manifest_list: str | None, schema: Schema, bounds: Mapping[str, Bounds]) -> tuple[DataFile, ...]:
        """The live files that may hold a row inside all of `bounds`; a file that says nothing of a column may."""
        wanted = [(f.field_id, f.field_type, bounds[f.name]) for f in schema.fields if f.name in bounds]
        return tuple(self._overlapping(manifest_list, wanted))

    def _overlapping(self, manifest_list: str | None, wanted: Sequence[tuple[int, Any, Bounds]]) -> Iterator[DataFile]:
        for manifest in self.manifests(manifest_list):
            kept = self._manifest(manifest)
            if all(_meet(self._hull(kept, id, kind), bounds) for id, kind, bounds in wanted):
                yield from (f for f in kept.files if all(_meet(_bounds(f, id, kind), bounds) for id, kind, bounds in wanted))

    def _hull(self, manifest: _Manifest, id: int, kind: PrimitiveType) -> Bounds | None:
        if id not in manifest.hulls:
            manifest.hulls[id] = _union(_bounds(f, id, kind) for f in manifest.files)
        return manifest.hulls[id]

    def _manifest(self, manifest: ManifestFile) -> _Manifest:
        found = self._kept.get(manifest.manifest_path)
        if found is None:
            found = self._read(manifest)
            self._keep(manifest.manifest_path, found)
        return found

    def _keep(self, path: str, manifest: _Manifest) -> None:
        if len(manifest.files) < _KEPT_FILES:
            self._kept[path] = manifest

    def _read(self, manifest: ManifestFile) -> _Manifest:
        if manifest.content == ManifestContent.DELETES:
            raise Unavailable(
                f"{manifest.manifest_path} holds row-level deletes, which this engine does not apply",
                hint="compact the table in the engine that wrote them (rewrite_data_files), or write copy-on-write",
            )
        try:
            entries = manifest.fetch_manifest_entry(self._io, discard_deleted=True)
        except _UNREADABLE as error:
            raise _missing(manifest.manifest_path, error) from error
        return _Manifest(tuple(e.data_file for e in entries))

    def _read_list(self, path: str) -> tuple[ManifestFile, ...]:
        try:
            return tuple(read_manifest_list(self._io.new_input(path)))
        except _UNREADABLE as error:
            raise _missing(path, error) from error


def _missing(path: str, error: Exception) -> Damaged:
    return Damaged(
        f"{path} is missing or unreadable: {error}",
        place=path,
        hint="mesh verify names every damaged file; mesh rollback goes back to an earlier publication",
    )


def stored(value: Any) -> Any:
    """A Python value as pyiceberg's bounds represent it: days for dates, microseconds for instants and times."""
    match value:
        case datetime():
            return datetime_to_micros(value.replace(tzinfo=None) if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None))
        case date():
            return date_to_days(value)
        case time():
            return time_to_micros(value)
        case _:
            return value


def _bounds(file: DataFile, id: int, kind: PrimitiveType) -> Bounds | None:
    lower, upper = (file.lower_bounds or {}).get(id), (file.upper_bounds or {}).get(id)
    if lower is None or upper is None:
        return None
    return from_bytes(kind, lower), from_bytes(kind, upper)


def column_bounds(file: DataFile, schema: Schema, column: str) -> Bounds | None:
    """The smallest and largest value of a column in a file, as pyiceberg represents values; None when the file does not say."""
    found = schema.find_field(column)
    return _bounds(file, found.field_id, found.field_type) if isinstance(found.field_type, PrimitiveType) else None


def hull(files: Sequence[DataFile], schema: Schema, columns: Sequence[str]) -> dict[str, Bounds]:
    """The bounds of columns over all `files`, by their statistics; a column is left out when one file does not say."""
    found = {c: _union(column_bounds(f, schema, c) for f in files) for c in columns}
    return {column: bounds for column, bounds in found.items() if bounds is not None}


def _meet(ours: Bounds | None, theirs: Bounds) -> bool:
    return ours is None or (ours[0] <= theirs[1] and theirs[0] <= ours[1])


def _union(all_bounds: Iterable[Bounds | None]) -> Bounds | None:
    lowest: Any = None
    highest: Any = None
    for bounds in all_bounds:
        if bounds is None:
            return None
        lowest = bounds[0] if lowest is None else min(lowest, bounds[0])
        highest = bounds[1] if highest is None else max(highest, bounds[1])
    # a manifest of deletions alone has no live file, and so no bounds
    return None if lowest is None else (lowest, highest)
