"""One port's next state: the gate's dataset, which reads back what was really written, and what the port says of itself.

Next: `stage.py` has all ports of a product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
from pyiceberg.manifest import DataFile

from lakehouse.address import Address
from lakehouse.commit import StagedTable
from lakehouse.declare.contract import Scope
from lakehouse.declare.product import OutputPort, Write
from lakehouse.gate import PortReport, RuleResult, quarantine_result
from lakehouse.manifests import hull
from lakehouse.mesh import Mesh
from lakehouse.rules import GateRule, RowRule
from lakehouse.scan import paths, scan
from lakehouse.write import same_partitions


@dataclass(slots=True)
class StagedPort:
    """One port's staged state. `batch` are the files with this run's rows; `rows`, `aside` and `skipped` count them; `removed` went.

    `replayed` are the quarantined rows that they were before, by id.
    """

    port: OutputPort
    table: StagedTable
    mesh: Mesh
    connection: duckdb.DuckDBPyConnection
    row_rules: tuple[RowRule, ...]
    gate_rules: tuple[GateRule, ...]
    mode: Write
    live: tuple[DataFile, ...]
    fingerprint: str
    batch: tuple[DataFile, ...] = ()
    removed: tuple[DataFile, ...] = ()
    rows: int = 0
    aside: int = 0
    unread: int = 0
    skipped: int = 0
    replayed: frozenset[str] = frozenset()
    broken: Mapping[str, int] = field(default_factory=dict)

    @property
    def address(self) -> Address:
        return self.port.address

    @property
    def delivered(self) -> int:
        """Rows that came in, whatever became of them."""
        return self.rows + self.aside + self.unread + self.skipped

    @property
    def total_rows(self) -> int:
        snapshot = self.table.metadata.current_snapshot()
        return int(snapshot.summary["total-records"] or 0) if snapshot and snapshot.summary else 0

    def report(self, judged: Sequence[RuleResult]) -> PortReport:
        """The port's verdict: its row rules, its own limits, and what the gate's runner judged."""
        return PortReport(
            address=self.address,
            rules=(*_row_results(self), *_limits(self), *judged),
            rows=self.rows,
            total_rows=self.total_rows,
            quarantined=self.aside + self.unread,
        )

    def files(self) -> tuple[DataFile, ...]:
        """Every file of the staged state."""
        return self.mesh.manifests.files(self.table.manifest_list)

    @property
    def touched(self) -> tuple[DataFile, ...]:
        """Files in every partition in which something came or went."""
        return (*self.batch, *self.removed)

    def within(self, scope: Scope) -> Sequence[DataFile]:
        match scope:
            case "batch":
                return self.batch
            case "partitions":
                return same_partitions(self.files(), self.touched)
            case "port":
                return self.files()

    def relation(self, scope: Scope) -> str:
        return scan(paths(self.within(scope)), self.table.schema)

    def count(self, scope: Scope) -> int:
        return sum(f.record_count for f in self.within(scope))

    def others(self, columns: Sequence[str]) -> str | None:
        bounds = hull(self.batch, self.table.schema, columns)
        mine = {f.file_path for f in self.batch}
        near = self.mesh.manifests.overlapping(self.table.manifest_list, self.table.schema, bounds) if self.batch else ()
        others = [f.file_path for f in near if f.file_path not in mine]
        return scan(others, self.table.schema) if others else None


def _limits(staged: StagedPort) -> list[RuleResult]:
    limit, aside = staged.port.contract.quarantine, 0 if staged.replayed else staged.aside + staged.unread  # they were aside before
    found = [quarantine_result(limit, quarantined=aside, delivered=staged.delivered)]
    if staged.mode == "overwrite" and not staged.port.allow_empty:
        found.append(_not_empty(staged))
    return found


def _row_results(staged: StagedPort) -> list[RuleResult]:
    columns = {r.name: r.column for r in staged.row_rules}
    counts = {**{r.name: 0 for r in staged.row_rules}, **staged.broken}
    if staged.unread:
        counts["type"] = counts.get("type", 0) + staged.unread
    return [
        RuleResult(
            rule=name,
            kind="row",
            severity="error",
            scope="batch",
            outcome="failed" if failing else "passed",
            failing=failing,
            total=staged.delivered,
            expected="true of every row; others are set aside",
            message=f"{failing:,} rows set aside" if failing else "",
            column=columns.get(name),
        )
        for name, failing in counts.items()
    ]


def _not_empty(staged: StagedPort) -> RuleResult:
    return RuleResult(
        rule="not_empty",
        kind="gate",
        severity="error",
        scope="port",
        outcome="passed" if staged.rows else "failed",
        failing=staged.rows,
        total=staged.rows,
        expected="at least one row (allowEmpty is not declared)",
        message=f"{staged.rows:,} rows",
    )
