"""What a run of a product does: pin, read, transform, stage, audit, publish. Nothing here knows Dagster.

`run_product` takes every batch that is due, each as a publication of its own. Next: `lakehouse/publish.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import duckdb
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from lakehouse.access import OPERATOR
from lakehouse.address import Address
from lakehouse.batches import Due, Wanted, due
from lakehouse.catalogs import ensure_namespace
from lakehouse.declare.product import Product
from lakehouse.diff import fingerprint as fingerprint_of
from lakehouse.errors import BatchRefused, MeshError, PublishConflict, Unavailable
from lakehouse.gate import GateReport
from lakehouse.maintain import recover
from lakehouse.mesh import Mesh
from lakehouse.pins import pinned, writing
from lakehouse.publish import Circumstances, abandon, publish, reject
from lakehouse.read import decision_on, relation_of
from lakehouse.sources import open_source
from lakehouse.stage import Stage
from lakehouse.store import Batch, Pin, Publication
from orchestration.inputs import Inputs, wanted
from orchestration.transforms import Bound, Transform, failure, load_transform

Result = Literal["published", "unchanged", "blocked", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one batch: its publication and the gate's report, or the error that stopped it."""

    batch: Batch
    result: Result
    publication: Publication | None = None
    report: GateReport | None = None
    error: MeshError | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a run was asked for."""

    run_id: str
    wanted: Wanted = Wanted()
    dry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One batch to take. `due` has its files; without it the batch is what changed in the input ports."""

    batch: Batch
    attempt: str
    due: Due | None = None
    strict: bool = False


def run_product(mesh: Mesh, product: Product, request: Request) -> Iterator[Outcome]:
    """Take every batch that is due; a blocked one stops later ones only when the input port's order is strict."""
    transform = load_transform(mesh, product)
    ensure_namespace(mesh.catalog, product.address.domain)
    with writing(mesh, product.address, request.run_id, recover):
        for work in _work(mesh, product, transform, request):
            outcome = _until_settled(mesh, product, transform, work, request)
            yield outcome
            if outcome.result in ("blocked", "failed") and work.strict:
                return


def _take(mesh: Mesh, product: Product, transform: Transform, work: Work, request: Request) -> Outcome:
    """The story of one batch."""
    with pinned(mesh, wanted(mesh, product), request.run_id) as pins, mesh.connection() as connection:
        fingerprint = run_fingerprint(product, pins, work)
        current = mesh.store.current(product.address)
        if work.due is None and _nothing_new(current, fingerprint, work, request):
            return Outcome(batch=work.batch, result="unchanged", publication=current)
        stage = Stage(mesh, product, request.run_id, connection, work.batch.id)
        with Inputs(
            mesh=mesh, product=product, connection=connection, pins=pins, due=work.due, stage=stage, everything=request.wanted.force
        ) as inputs:
            try:
                _stage_ports(stage, transform, inputs)
                report = stage.audit(_targets(mesh, pins))
                delivered = inputs.rows if inputs.rows is not None else stage.ports[product.main.name].delivered
                return _settle(stage, report, replace(work.batch, delivered=delivered), work, request, pins, fingerprint, inputs.warnings)
            except MeshError:
                abandon(stage)
                raise


def _stage_ports(stage: Stage, transform: Transform, inputs: Inputs) -> None:
    bound = Bound(connection=stage.connection, relation=inputs.relation, limit_rows=stage.mesh.settings.engine.materialise_rows)
    for port in stage.product.outputs:
        try:
            rows = transform.rows(port, bound)
            stage.write(port, rows, rejected=inputs.rejected if port is stage.product.main else tuple)
        except duckdb.Error as error:
            raise inputs.failure or failure(f"{stage.product.address}: {port.name}", error) from error


def _settle(
    stage: Stage,
    report: GateReport,
    batch: Batch,
    work: Work,
    request: Request,
    pins: Mapping[Address, Pin],
    fingerprint: str,
    warnings: tuple[str, ...],
) -> Outcome:
    """Publish what passed, reject what is blocked; a dry run leaves no trace of either."""
    now = stage.mesh.now()
    result: Result = "blocked" if report.blocked else "published"
    if request.dry:
        abandon(stage)
        return Outcome(batch=batch, result=result, report=report, warnings=warnings)
    if report.blocked:
        reject(stage, report, [batch], at=now, attempt=work.attempt)
        return Outcome(batch=batch, result=result, report=report, warnings=warnings)
    facts = Circumstances(
        kind="batch",
        at=now,
        code_version=work.attempt,
        fingerprint=fingerprint,
        inputs={i.name: pins[i.address].publication for i in stage.product.inputs if i.address},
        batches=[batch],
    )
    return Outcome(batch=batch, result=result, publication=publish(stage, report, facts), report=report, warnings=warnings)


def _until_settled(mesh: Mesh, product: Product, transform: Transform, work: Work, request: Request) -> Outcome:
    """Take a batch; when main moved meanwhile, take it again from the start: stage and audit, never rebase."""
    attempts = Retrying(
        stop=stop_after_attempt(mesh.settings.publishing.attempts), retry=retry_if_exception_type(PublishConflict), reraise=True
    )
    try:
        if work.due and work.due.refusal:
            raise work.due.refusal
        if work.due and not request.dry:
            _remember(mesh, product, work.due)
        return attempts(_take, mesh, product, transform, work, request)
    except MeshError as error:
        if isinstance(error, Unavailable):
            raise
        if not request.dry:
            _give_up(mesh, work, error)
        return Outcome(batch=work.batch, result="blocked" if isinstance(error, BatchRefused) else "failed", error=error)


def _remember(mesh: Mesh, product: Product, taken: Due) -> None:
    with mesh.store.writing() as con:
        mesh.store.put_batch(con, taken.batch)
        for arrival in taken.arrivals:
            mesh.store.put_arrival(con, product.address, taken.batch.input_port, arrival)


def _give_up(mesh: Mesh, work: Work, error: MeshError) -> None:
    """Keep a batch that could not even be staged as rejected, so that it is tried again when something changed."""
    with mesh.store.writing() as con:
        mesh.store.put_batch(con, replace(work.batch, state="rejected", reason=error.what, attempt=work.attempt))
        for arrival in work.due.arrivals if work.due else ():
            mesh.store.put_arrival(con, work.batch.product, work.batch.input_port, arrival)


# what there is to do


def _work(mesh: Mesh, product: Product, transform: Transform, request: Request) -> Iterator[Work]:
    attempt = attempt_fingerprint(product, transform)
    if not product.sources:
        yield Work(batch=_derived(mesh, product, attempt), attempt=attempt)
    for port in product.sources:
        source = open_source(port, mesh.settings.root)
        for batch in due(mesh.store, product, port, source, request.wanted, attempt=attempt, now=mesh.now()):
            yield Work(batch=batch.batch, attempt=attempt, due=batch, strict=port.order == "strict")


def _derived(mesh: Mesh, product: Product, attempt: str) -> Batch:
    """The batch of a product without sources: the present states of its inputs."""
    inputs = [i for i in product.inputs if i.address]
    states = [mesh.store.current(mesh.declarations.producer(i.address).address) for i in inputs if i.address]
    name = ", ".join(f"{i.address}@{s.id}" for i, s in zip(inputs, states, strict=True) if s)
    input_port = inputs[0].name if inputs else ""
    id = _digest(input_port, name, attempt)
    return Batch(id=id, product=product.address, input_port=input_port, name=name, partition=None, state="pending", at=mesh.now())


def _nothing_new(current: Publication | None, fingerprint: str, work: Work, request: Request) -> bool:
    return current is not None and current.fingerprint == fingerprint and not request.wanted.force


def attempt_fingerprint(product: Product, transform: Transform) -> str:
    """Changes when the product's code or the meaning of its contracts does."""
    return _digest(transform.version, *(fingerprint_of(o.contract) for o in product.outputs), *(o.write for o in product.outputs))


def run_fingerprint(product: Product, pins: Mapping[Address, Pin], work: Work) -> str:
    """Changes when there is something to do: other inputs, other code, another contract, another delivery."""
    states = [f"{i.name}={pins[i.address].state.snapshot_id}" for i in product.inputs if i.address and i.address in pins]
    return _digest(work.attempt, *states, work.batch.id if work.due else "")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _targets(mesh: Mesh, pins: Mapping[Address, Pin]) -> dict[Address, str]:
    """What foreign keys point at, as pinned."""
    return {a: relation_of(mesh, p.state, decision_on(mesh, OPERATOR, p.state)) for a, p in pins.items()}
