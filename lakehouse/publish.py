"""Publish: make a staged state current, all ports of the product at once or none, and write down that it happened.

The only writer of output ports. What is visible, the publication record, the batches' states and what lineage has to say
about it are one transaction. Next: `read.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter

from lakehouse.catalogs import ensure_namespace
from lakehouse.collect import remove_only_reached_by
from lakehouse.commit import Committed, StagedTable, commit
from lakehouse.diff import contract_to_json
from lakehouse.errors import Damaged, Unavailable
from lakehouse.gate import GateReport
from lakehouse.mesh import Mesh
from lakehouse.pins import recording, require_lease
from lakehouse.scan import local_path
from lakehouse.stage import Stage
from lakehouse.staged import StagedPort
from lakehouse.store import Batch, Connection, PortState, Publication
from lakehouse.store.records import Kind
from lakehouse.write import sweep

_REPORT = TypeAdapter(GateReport)
SNAPSHOTS_LISTED = 20
"""How many snapshots a table's metadata goes on listing; older publications are read by their own manifest lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a publication remembers about the run that made it; a rollback `restores` one and `withdraws` those after it.

    `batches` are settled by what was staged; where rows only go or come back, they are given as they then stand.
    """

    kind: Kind
    at: datetime
    code_version: str
    fingerprint: str
    inputs: Mapping[str, str]
    batches: Sequence[Batch]
    restores: str | None = None
    withdraws: tuple[Publication, ...] = ()

    @classmethod
    def like(cls, earlier: Publication, kind: Kind, at: datetime, batches: Sequence[Batch] = ()) -> Circumstances:
        """Of a publication that computes nothing: code, contract and inputs are those of an earlier one."""
        return cls(
            kind=kind,
            at=at,
            code_version=earlier.code_version,
            fingerprint=earlier.fingerprint,
            inputs=earlier.inputs,
            batches=batches,
        )


def new_publication_id(at: datetime) -> str:
    """An id that sorts by time: 12 hex digits of milliseconds, 8 of chance."""
    return f"{int(at.timestamp() * 1000):012x}{uuid.uuid4().hex[:8]}"


def publish(stage: Stage, report: GateReport, facts: Circumstances, events: Sequence[Mapping[str, object]] = ()) -> Publication:
    """Make the staged state current, or raise PublishConflict or LeaseLost with nothing changed. The report must not block.

    When the store cannot say whether the commit went through, the publication is looked for: it is there or nothing of it is.
    """
    if report.blocked:
        raise ValueError("a blocked state cannot be published")
    mesh = stage.mesh
    mesh.faults.at("k4")
    unlisted = _keep_metadata_short(stage)
    id = stage.publication = new_publication_id(facts.at)
    made: list[Publication] = []

    def record(con: Connection, done: Sequence[Committed]) -> None:
        require_lease(stage.mesh, con, stage.product.address, stage.run_id)
        publication = _publication(id, stage, facts, done)
        mesh.store.record(con, publication)
        _keep_contracts(stage, con)
        for batch in publication.batches:
            mesh.store.put_batch(con, batch)
        mesh.store.withdraw(con, [p.id for p in facts.withdraws])
        keep_report(mesh, con, stage, report, publication=id, at=facts.at)
        for event in events:
            mesh.store.say(con, "lineage", stage.run_id, event, facts.at)
        made.append(publication)

    if any(table.base is None for table in stage.tables()):
        ensure_namespace(mesh.catalog, stage.product.address.domain)
    try:
        commit(mesh.catalog, stage.tables(), record, fault=mesh.faults.at)
    except Unavailable:
        if mesh.store.publication(id) is None:
            raise
    if unlisted:
        with suppress(Damaged):  # it is published, whatever is wrong with an old file: verify tells, and upkeep removes the rest
            remove_only_reached_by(mesh, stage.product.address, unlisted)
    return made[0]


def reject(
    stage: Stage,
    report: GateReport,
    batches: Sequence[Batch],
    *,
    at: datetime,
    attempt: str | None,
    events: Sequence[Mapping[str, object]] = (),
) -> None:
    """Leave main as it was; keep the staged files for inspection, and the reason with each batch.

    `attempt` tells what was tried, and will not be tried again as it is; None: the next run tries it anyhow.
    """
    reason = "; ".join(f"{r.rule}: {r.message}" for p in report.ports for r in p.rules if r.blocks)
    staged = {str(p.address): [f.file_path for f in p.batch] for p in stage.ports.values()}
    with recording(stage.mesh, stage.product.address, stage.run_id) as con:
        for batch in batches:
            stage.mesh.store.put_batch(con, replace(batch, state="rejected", reason=reason, attempt=attempt, staged=staged))
        keep_report(stage.mesh, con, stage, report, publication=None, at=at)
        for event in events:
            stage.mesh.store.say(con, "lineage", stage.run_id, event, at)
    abandon(stage, keep=[f for files in staged.values() for f in files])


def drop_staged(mesh: Mesh, *tried: Batch) -> None:
    """Remove the files of rejected states that were kept for inspection, once the batches have become something else."""
    for batch in tried:
        before = _staged_files(batch)
        now = mesh.store.batch(batch.product, batch.id) if before else None
        for file in before - (_staged_files(now) if now else set()):
            Path(local_path(file)).unlink(missing_ok=True)


def _staged_files(batch: Batch) -> set[str]:
    return {f for files in (batch.staged or {}).values() for f in files}


def keep_report(mesh: Mesh, con: Connection, stage: Stage, report: GateReport, *, publication: str | None, at: datetime) -> None:
    mesh.store.keep_report(
        con,
        product=stage.product.address,
        run_id=stage.run_id,
        batch=stage.batch,
        publication=publication,
        at=at,
        body=_REPORT.dump_json(report).decode(),
    )


def report_from_json(body: str) -> GateReport:
    return _REPORT.validate_json(body)


def verdict_of_then(mesh: Mesh, target: Publication) -> GateReport:
    """The state was judged when it was first published; that verdict is kept with the new publication too."""
    body = mesh.store.report(target.product, publication=target.id)
    return report_from_json(body) if body else GateReport(ports=(), runner="none")


@contextmanager
def staging(stage: Stage) -> Iterator[Stage]:
    """Work on a staged state; whatever stops the work, what was staged goes with it."""
    with ExitStack() as undo:
        undo.callback(abandon, stage)
        yield stage
        undo.pop_all()


def abandon(stage: Stage, keep: Collection[str] = ()) -> None:
    """Remove what a run staged and will not publish, but for the files to `keep`: its own folders, and manifests nothing points at.

    Where the commit's outcome is not known, the store is asked: a publication that is there is there with all of its files.
    """
    if stage.publication and stage.mesh.store.publication(stage.publication):
        return
    for table in stage.touched_tables:
        _remove_manifests(stage.mesh, table)
        sweep(table, keep)


def _remove_manifests(mesh: Mesh, table: StagedTable) -> None:
    base = table.base.metadata.current_snapshot() if table.base else None
    before = base.manifest_list if base else None
    if table.manifest_list is None or table.manifest_list == before:
        return
    known = {m.manifest_path for m in mesh.manifests.manifests(before)}
    ours = {m.manifest_path for m in table.manifests or ()}
    for address in (*(ours - known), table.manifest_list):  # who took over from a run that was thought dead has removed them
        Path(local_path(address)).unlink(missing_ok=True)


def _keep_metadata_short(stage: Stage) -> list[str]:
    """Commits cost more with every snapshot listed: every so often, list the newest only; give the manifest lists of the others."""
    every = stage.mesh.settings.publishing.expire_every
    unlisted = []
    for table in stage.tables():
        listed = sorted(table.metadata.snapshots, key=lambda s: s.sequence_number or 0)
        if len(listed) >= SNAPSHOTS_LISTED + every:
            unlisted += table.expire([s.snapshot_id for s in listed[-SNAPSHOTS_LISTED:]])
    return unlisted


def _publication(id: str, stage: Stage, facts: Circumstances, done: Sequence[Committed]) -> Publication:
    current = stage.current
    committed = {c.address: c for c in done}
    before = {s.address: s for s in current.ports} if current else {}
    states = [_state(p, committed.get(p.address), _content(id, facts.kind, before.get(p.address))) for p in stage.ports.values()]
    written = {s.address for s in states}
    carried = [replace(s, changed=False, rows=0, quarantined=0) for s in before.values() if s.address not in written]
    aside = {a: s.quarantine for a, s in before.items()} | {a: t.manifest_list for a, t in stage.quarantines.items()}
    return Publication(
        id=id,
        product=stage.product.address,
        kind=facts.kind,
        at=facts.at,
        run_id=stage.run_id,
        code_version=facts.code_version,
        fingerprint=facts.fingerprint,
        ports=tuple(replace(s, quarantine=aside.get(s.address)) for s in (*states, *carried)),
        inputs=dict(facts.inputs),
        batches=tuple(_settled(stage, facts, id)),
        restores=facts.restores,
        number=current.number + 1 if current else 1,
    )


def _content(id: str, kind: Kind, before: PortState | None) -> str:
    return before.content if kind == "retention" and before else id


def _state(staged: StagedPort, done: Committed | None, content: str) -> PortState:
    metadata = done.metadata if done else staged.table.metadata
    snapshot = metadata.current_snapshot()
    base = staged.table.base.metadata_location if staged.table.base else ""
    return PortState(
        address=staged.address,
        snapshot_id=snapshot.snapshot_id if snapshot else None,
        schema_id=metadata.current_schema_id,
        metadata_location=done.metadata_location if done else base,
        manifest_list=snapshot.manifest_list if snapshot else None,
        contract_version=staged.port.contract.version,
        contract=staged.fingerprint,
        rows=staged.rows,
        total_rows=staged.total_rows,
        quarantined=staged.aside + staged.unread,
        content=content,
        changed=done is not None,
    )


def _keep_contracts(stage: Stage, con: Connection) -> None:
    kept = {s.contract for s in stage.current.ports} if stage.current else set[str]()
    for port in stage.ports.values():
        if port.fingerprint not in kept:
            stage.mesh.store.keep_contract(con, port.fingerprint, port.address, contract_to_json(port.port.contract))


def _settled(stage: Stage, facts: Circumstances, publication: str) -> Sequence[Batch]:
    """The batches as they stand once this is published; the counts are the main port's. A replay moves rows between them."""
    main = stage.ports.get(stage.product.main.name)
    if main is None or facts.kind in ("rollback", "retention", "discard"):
        return facts.batches
    rows, aside = main.rows + main.skipped, main.aside + main.unread
    if facts.kind == "replay":
        left = len(main.replayed) - aside
        return [replace(b, published=b.published + rows, quarantined=b.quarantined - left) for b in facts.batches]
    return [
        replace(b, state="published", publication=publication, published=rows, quarantined=aside, discarded=0, reason=None, staged=None)
        for b in facts.batches
    ]
