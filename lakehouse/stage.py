"""The next state of a product, where no reader can see it: each port's rows in an open transaction, audited from its files.

Next: `staged.py` for one port of it, `publish.py` makes it current.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property, partial

import duckdb
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from lakehouse.address import Address
from lakehouse.commit import StagedTable, load, stage
from lakehouse.declare.contract import Contract
from lakehouse.declare.product import OutputPort, Product, Write
from lakehouse.diff import contract_from_json, diff, fingerprint
from lakehouse.errors import BreakingChange
from lakehouse.gate import GateReport, audit
from lakehouse.mesh import Mesh
from lakehouse.partitions import partition_value
from lakehouse.quarantine import contract_of, failing_by_rule, keep
from lakehouse.rules import gate_rules, row_rules
from lakehouse.scan import paths, scan
from lakehouse.schema import evolve, iceberg_schema, partition_spec
from lakehouse.sources import Landed, Rejected
from lakehouse.staged import StagedPort
from lakehouse.store import PortState, Publication
from lakehouse.types import literal, pointer, quote
from lakehouse.upsert import Merged, merge
from lakehouse.write import IN_ORDER, Split, split, sweep


class Stage:
    """A product's next state. Open tables as ports are written; nothing is visible until `publish.publish`.

    `deliveries` names the files it is made from; `quarantines` are the next states of what is set aside, by port; `touched_tables`
    are all that something was written for, `publication` is the id under which it may have become current. `after` is a state that
    this one comes after though it was not published.
    """

    def __init__(
        self, mesh: Mesh, product: Product, run_id: str, connection: duckdb.DuckDBPyConnection, batch: str, *, after: Stage | None = None
    ) -> None:
        self.mesh, self.product, self.run_id, self.connection, self.batch, self.after = mesh, product, run_id, connection, batch, after
        self.ports: dict[str, StagedPort] = {}
        self.quarantines: dict[Address, StagedTable] = {}
        self.touched_tables: list[StagedTable] = []
        self.remarks: list[str] = []
        self.publication: str | None = None
        self.deliveries: tuple[str, ...] = ()

    @cached_property
    def current(self) -> Publication | None:
        """The publication that this state comes after. The product's lease keeps it the newest."""
        return self.mesh.store.current(self.product.address)

    def write(
        self,
        port: OutputPort,
        relation: str,
        *,
        rejected: Callable[[], Sequence[Rejected]] = tuple,
        mode: Write | None = None,
        landed: Landed | None = None,
        replayed: Collection[str] = (),
        reads: Collection[str] = (),
    ) -> StagedPort:
        """Split, cast and stage the rows of one port; `rejected` is asked after `relation` was read to its end.

        `landed` is the delivery that `relation` is, where it has the contract's columns and types. `replayed` are the ids of the
        quarantined rows that `relation` was made from, `reads` are the siblings that it was made from, whose partitions it replaces.
        """
        staged = self._open(port, mode or port.write)
        staged.replayed = frozenset(replayed)
        how = partial(split, self.connection, table=staged.table, rules=staged.row_rules, run_id=self.run_id, port=str(port.address))
        if landed:
            in_order = landed.size <= IN_ORDER
            split_rows = landed.read(lambda rows, strict: how(rows, exact=True, strict=strict, in_order=in_order))
        else:
            split_rows = how(relation)
        self.mesh.faults.at("k1")
        self._set_aside(staged, split_rows, rejected(), self._read(reads))
        added, removed = self._place(staged, split_rows, self._read(reads))
        staged.removed = removed
        self.mesh.faults.at("k5")
        staged.table.put(added, removed, {"lakemesh.run": self.run_id, "lakemesh.batch": self.batch})
        self.mesh.manifests.learn(staged.table.metadata, staged.table.manifests or (), added, removed)
        sweep(staged.table, keep=paths(staged.table.added))
        self.ports[port.name] = staged
        return staged

    def sibling(self, port: str, reader: Write, reads: Collection[str] = ()) -> str:
        """A port's staged rows for a sibling that is written so: what came, all there is, or the partitions that this run touches.

        Who `reads` several is given the same partitions of each.
        """
        staged, read = self.ports[port], self._read({port, *reads})
        if reader == "append":
            return staged.relation("batch")
        if reader == "overwrite" or not all(other.port.contract.partitions for other in read):
            return staged.relation("port")
        touched = {f.partition for other in read for f in other.touched}
        return scan(paths([f for f in staged.files() if f.partition in touched]), staged.table.schema)

    def _read(self, names: Collection[str]) -> list[StagedPort]:
        return [port for name, port in self.ports.items() if name in names]

    def audit(self, targets: Mapping[Address, str]) -> GateReport:
        """Judge every staged port; `targets` are table expressions of the pinned ports that foreign keys point at."""
        from lakehouse.checks import runner

        self.mesh.faults.at("k2")
        settings = self.mesh.settings.checks
        pointed_at = {rule.to for port in self.ports.values() for rule in port.gate_rules}
        siblings = {p.address: p.relation("port") for p in self.ports.values() if p.address in pointed_at}
        judge = runner(settings.runner)
        reports = []
        for port in self.ports.values():
            judged = audit(self.connection, port.gate_rules, port, {**targets, **siblings}, judge, timeout=settings.timeout)
            reports.append(port.report(judged))
            self.mesh.faults.at("k3")
        return GateReport(ports=tuple(reports), runner=settings.runner)

    def tables(self) -> list[StagedTable]:
        """All tables of the publication: ports and their quarantines."""
        return [*(p.table for p in self.ports.values()), *self.quarantines.values()]

    # opening

    def _open(self, port: OutputPort, mode: Write) -> StagedPort:
        meant = fingerprint(port.contract)
        table = self._table(port.contract, meant)
        return StagedPort(
            port=port,
            table=table,
            mesh=self.mesh,
            connection=self.connection,
            row_rules=row_rules(port.contract),
            gate_rules=gate_rules(port.contract, port.write),
            mode=mode,
            live=self.mesh.manifests.files(table.manifest_list) if mode != "append" else (),
            fingerprint=meant,
        )

    def _table(self, contract: Contract, meant: str = "") -> StagedTable:
        staged = self._staged(contract, meant)
        staged.manifests = self.mesh.manifests.manifests(staged.manifest_list)
        self.touched_tables.append(staged)
        return staged

    def _before(self, address: Address) -> Table | None:
        """The table as it is, or would be."""
        if self.after is None:
            return load(self.mesh.catalog, address)
        return next((t.imagined() for t in self.after.tables() if t.address == address), None) or self.after._before(address)

    def _staged(self, contract: Contract, meant: str) -> StagedTable:
        table = self._before(contract.address)
        if table is None:
            schema = iceberg_schema(contract)
            return stage(self.mesh.catalog, contract.address, None, lambda: (schema, partition_spec(contract, schema)))
        staged = stage(self.mesh.catalog, contract.address, table, lambda: (table.schema(), table.spec()))
        self._carry_edits(staged, contract, meant)
        return staged

    def refuse_breaking(self) -> None:
        """Raise BreakingChange where a contract cannot follow the published one, though nothing is to be written now."""
        for port in self.product.outputs:
            self._edited(port.contract, fingerprint(port.contract))

    def _carry_edits(self, staged: StagedTable, contract: Contract, meant: str) -> None:
        """Let compatible edits of the contract travel with this publication."""
        if self._edited(contract, meant):
            with staged.transaction.update_schema() as update:
                evolve(update, staged.schema, contract)

    def _edited(self, contract: Contract, meant: str) -> bool:
        """Whether the contract is not the published one any more; a breaking edit is refused with the way out."""
        state = next((s for s in self.current.ports if s.address == contract.address), None) if self.current else None
        if state is None or state.contract == meant or self.after is not None:  # what it comes after was edited already
            return False
        before = contract_from_json(self.mesh.store.contract(state.contract) or "")
        change = diff(before, contract)
        if change.kind != "none" and before.version == contract.version:
            self.remarks.append(f"{contract.place}: the contract was edited and its version is still {before.version}")
        if change.kind == "breaking":
            raise BreakingChange(
                f"{contract.address} {before.version} -> {contract.version}: " + "; ".join(c.sentence for c in change.breaking),
                place=str(contract.place),
                hint=f"undo the edit, or declare a new port {contract.address.port}_v{before.major + 1} beside this one",
            )
        return True

    # placing

    def _place(self, staged: StagedPort, written: Split, read: Sequence[StagedPort]) -> tuple[tuple[DataFile, ...], tuple[DataFile, ...]]:
        """Which files come and which go, by write mode."""
        if staged.mode == "upsert":
            merged = self._merge(staged, written)
            staged.batch, staged.rows, staged.skipped = merged.batch, sum(f.record_count for f in merged.batch), merged.skipped
            return (*merged.batch, *merged.rewritten), merged.removed
        staged.batch, staged.rows = written.accepted, written.rows
        return written.accepted, self._replaced(staged, written.accepted, read)

    def _replaced(self, staged: StagedPort, added: Sequence[DataFile], read: Sequence[StagedPort]) -> tuple[DataFile, ...]:
        match staged.mode:
            case "overwrite":
                return staged.live
            case "overwrite_partitions":
                if any(not sibling.port.contract.partitions for sibling in read):
                    return staged.live
                given = {f.partition for sibling in read for f in sibling.touched}
                if not added and not given:
                    self.remarks.append(f"{staged.address}: no row says which partitions to replace, so all stay as they are")
                given |= {f.partition for f in added}  # siblings are partitioned alike
                return tuple(f for f in staged.live if f.partition in given)
            case _:
                return ()

    def _merge(self, staged: StagedPort, written: Split) -> Merged:
        return merge(
            self.connection,
            staged.table,
            self.mesh.manifests,
            written.accepted,
            key=staged.port.contract.key,
            order_by=staged.port.order_by,
            run_id=self.run_id,
        )

    # setting aside

    def _set_aside(self, staged: StagedPort, written: Split, rejected: Sequence[Rejected], read: Sequence[StagedPort]) -> None:
        staged.aside, staged.unread = written.aside.rows, len(rejected)
        staged.broken = failing_by_rule(self.connection, written.aside, staged.row_rules)
        if not written.aside.rows and not rejected and not staged.replayed and staged.mode == "append":
            return
        existing = self._before(staged.address.quarantine)
        if not written.aside.rows and not rejected and existing is None:
            return
        quarantine = self._table(contract_of(staged.address))
        kept: tuple[DataFile, ...] = ()
        if written.aside.rows or rejected:
            kept = keep(
                self.connection,
                quarantine,
                written.aside,
                rejected,
                staged.row_rules,
                [f.name for f in staged.table.schema.fields],
                batch=self.batch,
                file=self.deliveries[0] if len(self.deliveries) == 1 else None,
                partition=partition_text(staged.port.contract),
                at=self.mesh.now(),
                run_id=self.run_id,
            )
        survivors, gone = self._quarantine_survivors(staged, quarantine, written, kept, read)
        quarantine.put((*kept, *survivors), gone, {"lakemesh.run": self.run_id})
        self.quarantines[staged.address] = quarantine

    def _quarantine_survivors(
        self, staged: StagedPort, quarantine: StagedTable, written: Split, kept: Sequence[DataFile], read: Sequence[StagedPort]
    ) -> tuple[tuple[DataFile, ...], tuple[DataFile, ...]]:
        """What the publication's mode leaves of the quarantine: all, none, or the other partitions'."""
        live = self.mesh.manifests.files(quarantine.manifest_list)
        if staged.replayed and live:
            ids = ", ".join(literal(i) for i in sorted(staged.replayed))
            return self._without(quarantine, live, f"id in ({ids})")
        if staged.mode == "append" or not live:
            return (), ()
        if staged.mode == "upsert":
            return self._without(quarantine, live, self._taken_again(staged, quarantine, written, kept))
        if staged.mode == "overwrite" or not all(sibling.port.contract.partitions for sibling in read):
            return (), live
        replaced = [(staged, written.accepted), *((sibling, sibling.touched) for sibling in read)]
        named = [f"select {partition_text(p.port.contract)} from {scan(paths(files), p.table.schema)}" for p, files in replaced]
        aside = f"select partition from {scan(paths(kept), quarantine.schema)}"
        ours = f"partition in ({' union all '.join([*named, aside])}) or partition is null and ({self._given_again(quarantine, kept)})"
        return self._without(quarantine, live, ours)

    def _given_again(self, quarantine: StagedTable, kept: Sequence[DataFile]) -> str:
        """Which rows that name no partition were given again: those of the same file or batch, and of computed ones all.

        Of what has changed upstream nobody can tell, but that a row which is set aside now is not set aside twice.
        """
        if not self.product.sources and all(i.read == "full" for i in self.product.inputs):
            return "true"
        conditions = [f"batch = {literal(self.batch)}"]
        if self.deliveries:
            conditions.append(f"file in ({', '.join(literal(f) for f in self.deliveries)})")
        if not self.product.sources:
            conditions.append(f"row in (select row from {scan(paths(kept), quarantine.schema)})")
        return " or ".join(conditions)

    def _taken_again(self, staged: StagedPort, quarantine: StagedTable, written: Split, kept: Sequence[DataFile]) -> str:
        """Which rows that are set aside were judged anew, of a port that is upserted.

        A batch may be taken again, by name or because a file went back to an earlier content. A port that reads its sibling is given
        older rows too, in a replay not all of the batch: there the keys tell.
        """
        batch = f"batch = {literal(self.batch)}"
        if staged.port.name == self.product.main.name:
            return batch
        key = staged.port.contract.key
        there = ", ".join(f"try_cast(row as json)->{pointer(name)}" for name in key)
        here = ", ".join(f"to_json({quote(name)})" for name in key)
        accepted = f"select [{here}] from {scan(paths(written.accepted), staged.table.schema)}"
        aside = f"select [{there}] from {scan(paths(kept), quarantine.schema)}"
        again = f"origin = 'output' and [{there}] in ({accepted} union all {aside})"
        return again if any(port.replayed for port in self.ports.values()) else f"{batch} or {again}"

    def _without(
        self, quarantine: StagedTable, live: tuple[DataFile, ...], condition: str
    ) -> tuple[tuple[DataFile, ...], tuple[DataFile, ...]]:
        """The files that come and go when the rows of `condition` leave the quarantine; none when there are no such rows."""
        kept = scan(paths(live), quarantine.schema)
        ((leaving,),) = self.connection.execute(f"select count(*) from {kept} where {condition}").fetchall()
        if not leaving:
            return (), ()
        rows = f"(select * from {kept} where ({condition}) is not true)"
        return split(self.connection, rows, quarantine, (), run_id=self.run_id, port=str(quarantine.address)).accepted, live

    # going back and taking away

    def opened(self, port: OutputPort) -> StagedPort:
        """A port's current state, opened for a change by lists of files."""
        return self._open(port, "overwrite")

    def restore(self, port: OutputPort, state: PortState) -> StagedPort:
        """Stage the files that a port and its quarantine had in an earlier state; no file is written, and what came since is left out."""
        staged = self._open(port, "overwrite")
        self._put_back(staged.table, state.manifest_list)
        self.ports[port.name] = staged
        if load(self.mesh.catalog, port.address.quarantine) is not None:
            self.quarantines[port.address] = self._table(contract_of(port.address))
            self._put_back(self.quarantines[port.address], state.quarantine)
        return staged

    def _put_back(self, table: StagedTable, manifest_list: str | None) -> None:
        """Give a table the files that it had, by lists of what comes and what goes."""
        then, now = self.mesh.manifests.files(manifest_list), self.mesh.manifests.files(table.manifest_list)
        then_paths, now_paths = set(paths(then)), set(paths(now))
        added = [f for f in then if f.file_path not in now_paths]
        removed = [f for f in now if f.file_path not in then_paths]
        table.put(added, removed, {"lakemesh.run": self.run_id})

    def give_up(self, port: Address, ids: Sequence[str]) -> None:
        """Take these rows out of a port's quarantine."""
        quarantine = self.quarantines[port] = self._table(contract_of(port))
        live = self.mesh.manifests.files(quarantine.manifest_list)
        gone = ", ".join(literal(i) for i in ids)
        quarantine.put(*self._without(quarantine, live, f"id in ({gone})"), {"lakemesh.run": self.run_id})


def partition_text(contract: Contract) -> str:
    """An SQL text that tells a row's partition by its declared columns; NULL where it has none that could be told."""
    values = [f"({partition_value(str(c.partition), quote(c.name), c.type)})::varchar" for c in contract.partitions]
    if len(values) > 1:  # ('a/b', 'c') is not ('a', 'b/c')
        values = [f"replace(replace({v}, '%', '%25'), '/', '%2F')" for v in values]
    return " || '/' || ".join(values) or "''"
