"""An independent witness: reads the database and the files itself, with sqlite3, pyiceberg and pyarrow, and trusts nobody.

Nothing of the product is imported here: what would be wrong in both could not be seen.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import read_manifest_list

IO = PyArrowFileIO()


@dataclass(frozen=True, slots=True)
class Witness:
    """What there is in a mesh's home, as files and rows of tables."""

    home: Path

    # looking

    def ask(self, query: str, *values: object) -> list[dict[str, Any]]:
        with sqlite3.connect(f"file:{self.home / 'mesh.db'}?mode=ro", uri=True) as connection:
            connection.row_factory = sqlite3.Row
            found = [dict(row) for row in connection.execute(query, values)]
        connection.close()
        return found

    def tables(self) -> dict[str, str]:
        """Every table of the catalog -> its metadata file."""
        found = self.ask("select table_namespace || '.' || table_name as name, metadata_location as at from iceberg_tables")
        return {row["name"]: row["at"] for row in found}

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The rows that any Iceberg reader sees now; none when there is no table."""
        location = self.tables().get(table)
        if location is None:
            return []
        metadata = json.loads(Path(path(location)).read_text(encoding="utf-8"))
        current = [s for s in metadata.get("snapshots", []) if s["snapshot-id"] == metadata.get("current-snapshot-id")]
        files = [f for s in current for f in self._data_files(s["manifest-list"])]
        names = [f["name"] for f in metadata["schemas"][metadata["current-schema-id"]]["fields"]]
        return [{n: row.get(n) for n in names} for f in files for row in pq.ParquetFile(path(f)).read().to_pylist()]

    def _data_files(self, manifest_list: str) -> Iterator[str]:
        for manifest in read_manifest_list(IO.new_input(manifest_list)):
            yield from (e.data_file.file_path for e in manifest.fetch_manifest_entry(IO, discard_deleted=True))

    def _led_to(self, manifest_list: str) -> Iterator[str]:
        yield manifest_list
        yield from (m.manifest_path for m in read_manifest_list(IO.new_input(manifest_list)))
        yield from self._data_files(manifest_list)

    # judging

    def problems(self) -> list[str]:
        """Everything that no mesh may show once its runs are over, whatever happened to them."""
        return [*self._files(), *self._publications(), *self._leases(), *self._lineage()]

    def _files(self) -> Iterator[str]:
        there = {str(p) for p in (self.home / "warehouse").rglob("*") if p.is_file()}
        reachable = set(map(path, self._reachable()))
        yield from (f"missing: {p}" for p in sorted(reachable - there))
        yield from (f"left behind: {p}" for p in sorted(there - reachable))

    def _reachable(self) -> Iterator[str]:
        for location in self.tables().values():
            metadata = json.loads(Path(path(location)).read_text(encoding="utf-8"))
            yield location
            yield from (entry["metadata-file"] for entry in metadata["metadata-log"])
            for snapshot in metadata.get("snapshots", []):
                yield from self._led_to(snapshot["manifest-list"])
        kept = "from port_states join publications p on p.id = publication where expired = 0"
        for row in self.ask(f"select manifest_list as at {kept} union select quarantine {kept}"):
            yield from self._led_to(row["at"]) if row["at"] else ()
        for row in self.ask("select staged from batches where staged is not null"):
            yield from (f for files in json.loads(row["staged"]).values() for f in files)

    def _publications(self) -> Iterator[str]:
        """The newest publication of a product is what the catalog shows of all of its ports, and every one was let pass."""
        tables = self.tables()
        newest = "select id, product from publications where seq in (select max(seq) from publications group by product)"
        for publication in self.ask(newest):
            for state in self.ask("select * from port_states where publication = ?", publication["id"]):
                if tables.get(state["address"]) != state["metadata_location"]:
                    yield f"{state['address']}: the catalog shows another state than publication {publication['id']}"
        for publication in self.ask("select id, product from publications"):
            reports = self.ask("select body from reports where publication = ?", publication["id"])
            if len(reports) != 1:
                yield f"publication {publication['id']} has {len(reports)} gate reports"
            yield from (f"published though blocked: {publication['id']}" for r in reports if _blocked(json.loads(r["body"])))
        published = {row["address"] for row in self.ask("select distinct address from port_states")}
        for name in tables.keys() - published:
            if not name.endswith("__quarantine"):
                yield f"{name} is visible and was never published"

    def _leases(self) -> Iterator[str]:
        yield from (f"lease of {row['kind']} {row['subject']} is left" for row in self.ask("select kind, subject from leases"))

    def _lineage(self) -> Iterator[str]:
        """All is told; each attempt has one START and one end; each publication one COMPLETE with the snapshots that it has."""
        waiting = self.ask("select count(*) as n from outbox where delivered is null")[0]["n"]
        if waiting:
            yield f"{waiting} lineage events were not told"
        log = self.home / "lineage" / "events.jsonl"
        lines = set(log.read_text(encoding="utf-8").splitlines()) if log.exists() else set()
        events = [json.loads(line) for line in lines]
        kinds = Counter((e["run"]["runId"], "START" if e["eventType"] == "START" else "end") for e in events)
        for (run, kind), times in kinds.items():
            if times != 1 or kinds[run, "end" if kind == "START" else "START"] != 1:
                yield f"attempt {run} has {times} events of kind {kind}"
        complete = sum(e["eventType"] == "COMPLETE" for e in events)
        told = self.ask("select count(*) as n from publications where kind in ('batch', 'restatement')")[0]["n"]
        if complete != told:
            yield f"{complete} attempts were told complete, {told} were published"


def path(address: str) -> str:
    return address.removeprefix("file://")


def _blocked(report: dict[str, Any]) -> bool:
    rules = [r for port in report["ports"] for r in port["rules"]]
    return any(r["kind"] == "gate" and r["severity"] == "error" and r["outcome"] != "passed" for r in rules)
