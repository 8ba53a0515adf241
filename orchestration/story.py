"""What a run of a product does: pin, read, transform, stage, audit, publish. Nothing here knows Dagster.

`run_product` takes every batch that is due, each as a publication of its own. Next: `lakehouse/publish.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Literal

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from lakehouse.access import OPERATOR
from lakehouse.address import Address
from lakehouse.batches import Due, Wanted, due, pending
from lakehouse.collect import expire, recover
from lakehouse.declare.product import Product
from lakehouse.diff import fingerprint as fingerprint_of
from lakehouse.errors import BatchRefused, MeshError, PublishConflict, Unavailable
from lakehouse.gate import GateReport
from lakehouse.mesh import Mesh
from lakehouse.pins import pinned, recording, writing
from lakehouse.publish import Circumstances, abandon, drop_staged, publish, reject, staging
from lakehouse.read import decision_on, relation_of
from lakehouse.sources import open_source
from lakehouse.stage import Stage
from lakehouse.store import Batch, Pin, Publication
from lakehouse.telling import Told, say, tell
from orchestration.inputs import Inputs, wanted
from orchestration.loading import load_transform
from orchestration.transforms import Bound, Transform

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
    """What a run was asked for, and by which job of the orchestrator. `watch` hears of each batch: its number, and how many are due."""

    run_id: str
    job: str = "mesh"
    wanted: Wanted = Wanted()
    dry: bool = False
    watch: Callable[[int, int], None] = lambda _number, _due: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One batch to take. `due` has its files; without it the batch is what changed in the input ports."""

    batch: Batch
    attempt: str
    due: Due | None = None
    strict: bool = False

    @property
    def restates(self) -> bool:
        """Whether a known path came with other content."""
        return self.due is not None and self.due.restates


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Rows that were made outside the run, and the pins of what they were made from. Who made them holds the pins."""

    transform: Transform
    pins: dict[Address, Pin]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of one product. `tried` are the states that a dry run would publish, each upon the one before it."""

    mesh: Mesh
    product: Product
    transform: Transform
    request: Request
    pins: dict[Address, Pin] | None = None
    tried: list[Stage] = field(default_factory=list)

    @property
    def before(self) -> Stage | None:
        """What the next batch of a dry run comes after: the last state that would have been published."""
        return self.tried[-1] if self.tried else None


def run_product(mesh: Mesh, product: Product, request: Request, made: Made | None = None) -> Iterator[Outcome]:
    """Take every batch that is due; a blocked one stops later ones only when the input port's order is strict.

    With `made` the product's rows are there already: they are staged, audited and published as all others.
    """
    transform = made.transform if made else _loaded(mesh, product, request)
    run = Run(mesh=mesh, product=product, transform=transform, request=request, pins=made.pins if made else None)
    with writing(mesh, product.address, request.run_id, recover), _leaving_no_trace(run):
        works = list(_work(run))
        if not works:
            _refuse_breaking(run)
        for number, work in enumerate(works, start=1):
            outcome = _until_settled(run, work)
            drop_staged(mesh, work.batch)
            if not request.dry:
                _expire_history(mesh, outcome.publication)
            request.watch(number, len(works))
            yield outcome
            if outcome.result in ("blocked", "failed") and work.strict:
                return


@contextmanager
def _leaving_no_trace(run: Run) -> Iterator[None]:
    """What a dry run staged stays until its last batch was judged."""
    try:
        yield
    finally:
        for stage in reversed(run.tried):
            abandon(stage)


def _refuse_breaking(run: Run) -> None:
    """Nothing is due, and yet the next delivery could not be taken."""
    with run.mesh.connection() as connection:
        Stage(run.mesh, run.product, run.request.run_id, connection, batch="").refuse_breaking()


def _expire_history(mesh: Mesh, publication: Publication | None) -> None:
    """Every so often, let publications outside the promised history go: a bounded history keeps commits quick."""
    if publication is not None and publication.number % mesh.settings.publishing.expire_every == 0:
        expire(mesh, publication.product)


def _take(run: Run, work: Work) -> Outcome:
    """The story of one batch."""
    mesh, product, started = run.mesh, run.product, run.mesh.now()
    with _pins(run) as pins, mesh.connection() as connection:
        fingerprint = run_fingerprint(product, pins, work)
        append = product.main.write == "append"
        everything = run.request.wanted.force and not append
        next_state = Stage(mesh, product, run.request.run_id, connection, work.batch.id, after=run.before)
        if work.due is None and _nothing_new(mesh, next_state.current, fingerprint, work, run.request, append=append):
            next_state.refuse_breaking()
            return Outcome(batch=work.batch, result="unchanged", publication=next_state.current)
        with (
            staging(next_state) as stage,
            Inputs(
                mesh=mesh, product=product, connection=connection, pins=pins, due=work.due, stage=stage, everything=everything
            ) as inputs,
        ):
            try:
                stage.deliveries = tuple(d.name for d in work.due.deliveries) if work.due else ()
                _stage_ports(stage, run.transform, inputs)
                pinned_ports = targets(mesh, pins)
                report = run.transform.judged(stage.audit(pinned_ports), stage, pinned_ports)
                told = _told(run, work, stage, pins, started, report)
                return _settle(run, work, stage, inputs, fingerprint, told)
            except MeshError as error:
                if not isinstance(error, PublishConflict) and not run.request.dry:
                    say(_told(run, work, stage, pins, started, None, error))
                raise


def _pins(run: Run) -> AbstractContextManager[dict[Address, Pin]]:
    if run.pins is not None:
        return nullcontext(run.pins)
    return pinned(run.mesh, wanted(run.mesh, run.product), run.request.run_id)


def _stage_ports(stage: Stage, transform: Transform, inputs: Inputs) -> None:
    bound = Bound(connection=stage.connection, relation=inputs.relation, limit_rows=stage.mesh.settings.engine.materialise_rows)
    for port in stage.product.outputs:
        with inputs.told(f"{stage.product.address}: {port.name}"):
            reads = transform.reads(port) if stage.ports else ()
            rows = transform.rows(port, replace(bound, relation=partial(inputs.relation, reader=port.write, reads=reads)))
            rejected = inputs.rejected if port is stage.product.main else tuple
            stage.write(port, rows, rejected=rejected, landed=inputs.landed_as(rows, port.contract), reads=reads)


def _settle(run: Run, work: Work, stage: Stage, inputs: Inputs, fingerprint: str, told: Told) -> Outcome:
    """Publish what passed, reject what is blocked; a dry run does neither."""
    report = told.report
    if report is None:
        raise ValueError("nothing was judged")
    delivered = inputs.rows if inputs.rows is not None else stage.ports[run.product.main.name].delivered
    batch = replace(work.batch, delivered=delivered, attempt=work.attempt)
    result: Result = "blocked" if report.blocked else "published"
    outcome = Outcome(batch=batch, result=result, report=report, warnings=(*inputs.warnings, *stage.remarks))
    if run.request.dry:
        if report.blocked:
            abandon(stage)
        else:
            run.tried.append(stage)
        return outcome
    if report.blocked:
        reject(stage, report, [batch], at=told.ended, attempt=None if unjudged(report) else work.attempt, events=tell(told))
        return outcome
    facts = Circumstances(
        kind="restatement" if work.restates else "batch",
        at=told.ended,
        code_version=run.transform.version,
        fingerprint=fingerprint,
        inputs={i.name: told.pins[i.address].publication for i in run.product.inputs if i.address},
        batches=[batch],
    )
    return replace(outcome, publication=publish(stage, report, facts, tell(told)))


def _told(
    run: Run,
    work: Work,
    stage: Stage,
    pins: Mapping[Address, Pin],
    started: datetime,
    report: GateReport | None,
    error: MeshError | None = None,
) -> Told:
    return Told(
        mesh=run.mesh,
        product=run.product,
        ports=stage.ports,
        run_id=run.request.run_id,
        job=run.request.job,
        started=started,
        ended=run.mesh.now(),
        pins=pins,
        code=run.transform.version,
        due=work.due,
        report=report,
        error=error.what if error else None,
        sql=run.transform.sql,
    )


def _loaded(mesh: Mesh, product: Product, request: Request) -> Transform:
    """The product's transform; that it cannot be loaded is the end of the run, and told as such."""
    started = mesh.now()
    try:
        return load_transform(mesh, product)
    except MeshError as error:
        if not request.dry:
            ended = mesh.now()
            told = Told(
                mesh=mesh, product=product, run_id=request.run_id, job=request.job, started=started, ended=ended, code="", error=error.what
            )
            say(told)
        raise


def _until_settled(run: Run, work: Work) -> Outcome:
    """Take a batch; when main moved meanwhile, take it again from the start: stage and audit, never rebase."""
    mesh, dry = run.mesh, run.request.dry
    attempts = Retrying(
        stop=stop_after_attempt(mesh.settings.publishing.attempts), retry=retry_if_exception_type(PublishConflict), reraise=True
    )
    try:
        if work.due and work.due.refusal:
            raise work.due.refusal
        if work.due and not dry:
            _remember(run, work.due)
        return attempts(_take, run, work)
    except (Unavailable, PublishConflict):
        raise
    except MeshError as error:
        if not dry:
            _give_up(run, work, error)
        return Outcome(batch=work.batch, result="blocked" if isinstance(error, BatchRefused) else "failed", error=error)


def _remember(run: Run, taken: Due) -> None:
    mesh, product = run.mesh, run.product
    with recording(mesh, product.address, run.request.run_id) as con:
        mesh.store.put_batch(con, taken.batch)
        for arrival in taken.arrivals:
            mesh.store.put_arrival(con, product.address, taken.batch.input_port, arrival)


def _give_up(run: Run, work: Work, error: MeshError) -> None:
    """Keep a batch that could not even be staged as rejected, and try it again with the next run; a refused delivery, when it changed.

    What a computed batch was refused for may change with the product's own state.
    """
    mesh = run.mesh
    attempt = work.attempt if isinstance(error, BatchRefused) and work.due else None
    with recording(mesh, run.product.address, run.request.run_id) as con:
        mesh.store.put_batch(con, replace(work.batch, state="rejected", reason=error.what, attempt=attempt))
        for arrival in work.due.arrivals if work.due else ():
            mesh.store.put_arrival(con, work.batch.product, work.batch.input_port, arrival)


# what there is to do


def _work(run: Run) -> Iterator[Work]:
    mesh, product = run.mesh, run.product
    attempt = attempt_fingerprint(product, run.transform)
    if not product.sources:
        present, named = _derived(mesh, product, attempt), run.request.wanted.batch
        if named and not present.id.startswith(named):
            raise BatchRefused(f"batch {named} was computed from what its inputs showed then", hint=f"mesh run {product.address} --force")
        yield Work(batch=present, attempt=attempt)
    for port in product.sources:
        source = open_source(port, mesh.settings.root)
        for batch in due(mesh.store, product, port, source, run.request.wanted, attempt=attempt, now=mesh.now()):
            yield Work(batch=batch.batch, attempt=attempt, due=batch, strict=port.order == "strict")


def _derived(mesh: Mesh, product: Product, attempt: str) -> Batch:
    """The batch of a product without sources: the present content of its inputs."""
    inputs = [(i.name, i.address) for i in product.inputs if i.address]
    contents = {address: _content(mesh, address) for _, address in inputs}
    input_port = inputs[0][0] if inputs else ""
    id = _digest(input_port, *(f"{a}@{c}" for a, c in contents.items()), attempt)
    name = ", ".join(f"{a}@{c}" for a, c in contents.items() if c)
    batch = Batch(id=id, product=product.address, input_port=input_port, name=name, partition=None, state="pending", at=mesh.now())
    return pending(mesh.store, batch)


def _content(mesh: Mesh, address: Address) -> str:
    current = mesh.store.current(mesh.declarations.producer(address).address)
    return next((s.content for s in current.ports if s.address == address), "") if current else ""


def _nothing_new(mesh: Mesh, current: Publication | None, fingerprint: str, work: Work, request: Request, *, append: bool) -> bool:
    """Whether this was done already, or was rejected, discarded or withdrawn and has not changed since. Force never appends again.

    What failed, or could not be judged, is tried again.
    """
    known = mesh.store.batch(work.batch.product, work.batch.id)
    if request.wanted.force or request.wanted.batch:
        return append and known is not None and known.state == "published"
    if known is not None and known.state == "rejected" and known.attempt is None:
        return False
    given_up = known is not None and known.state in ("discarded", "withdrawn", "rejected")
    return given_up or (current is not None and current.fingerprint == fingerprint)


def unjudged(report: GateReport) -> bool:
    """Whether the gate blocked for want of an answer (a port it points at is not there yet): then the next run asks again."""
    return any(r.blocks and r.outcome == "not_evaluated" for p in report.ports for r in p.rules)


def attempt_fingerprint(product: Product, transform: Transform) -> str:
    """Changes when the product's code or the meaning of its contracts does."""
    return _digest(transform.version, *(fingerprint_of(o.contract) for o in product.outputs), *(o.write for o in product.outputs))


def run_fingerprint(product: Product, pins: Mapping[Address, Pin], work: Work) -> str:
    """Changes when there is something to do: other inputs, other code, another contract, another delivery."""
    states = [f"{i.name}={pins[i.address].state.content}" for i in product.inputs if i.address and i.address in pins]
    return _digest(work.attempt, *states, work.batch.id if work.due else "")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def targets(mesh: Mesh, pins: Mapping[Address, Pin]) -> dict[Address, str]:
    """What foreign keys point at, as pinned."""
    return {a: relation_of(mesh, p.state, decision_on(mesh, OPERATOR, p.state)) for a, p in pins.items()}
