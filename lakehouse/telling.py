"""What lineage says of a run: the facts that a story has at hand, as OpenLineage's START and terminal event.

Next: `lineage/`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from importlib.metadata import PackageNotFoundError, version
from zoneinfo import ZoneInfo

from lakehouse.address import Address
from lakehouse.batches import Due
from lakehouse.columns import of_port
from lakehouse.commit import load
from lakehouse.declare.product import Product
from lakehouse.errors import Damaged
from lakehouse.gate import GateReport, PortReport
from lakehouse.lineage import Catalog, CodeLocation, InputDataset, NominalTime, OutputDataset, ParentRun, RunRecord, events, fields
from lakehouse.mesh import Mesh
from lakehouse.publish import Circumstances
from lakehouse.read import contract_of
from lakehouse.stage import Stage
from lakehouse.staged import StagedPort
from lakehouse.store import Pin

try:
    PLATFORM = version("lakemesh")
except PackageNotFoundError:
    PLATFORM = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What there is to tell about one attempt. `report` is None when it failed before the gate, `ports` is empty before the stage.

    `computed` is not so where rows only go or come back: then no input was read.
    """

    mesh: Mesh
    product: Product
    ports: Mapping[str, StagedPort] = field(default_factory=dict)
    run_id: str
    job: str
    started: datetime
    ended: datetime
    pins: Mapping[Address, Pin] = field(default_factory=dict)
    code: str
    due: Due | None = None
    report: GateReport | None = None
    error: str | None = None
    sql: Mapping[str, str] = field(default_factory=dict)
    computed: bool = True


def tell(told: Told) -> tuple[Mapping[str, object], ...]:
    """START and COMPLETE, or START and FAIL when the gate blocked or something failed."""
    mesh, product = told.mesh, told.product
    blocked = told.report is None or told.report.blocked
    record = RunRecord(
        namespace=mesh.settings.lineage.namespace,
        product=product.address,
        run_id=uuid.uuid4(),
        started=told.started,
        ended=told.ended,
        outcome="fail" if blocked else "complete",
        error=told.error or (_blocked(told.report) if told.report and blocked else None),
        parent=ParentRun(run_id=as_uuid(told.run_id), job=told.job),
        nominal=_nominal(mesh, product, told.due),
        inputs=tuple(_inputs(mesh, product, told)) if told.computed else (),
        outputs=tuple(_outputs(told, published=not blocked)),
        catalog=Catalog(name=mesh.catalog.name, uri=mesh.catalog.properties["uri"], warehouse=mesh.catalog.properties["warehouse"]),
        owners=(f"team:{product.team.name}", *product.team.members),
        description=product.purpose,
        code=CodeLocation(
            url=mesh.settings.root.as_uri(), path=str(product.folder.relative_to(mesh.settings.root)), version=told.code or None
        ),
        sql=";\n\n".join(told.sql.values()) or None,
        version=PLATFORM,
    )
    return events(record)


def tell_change(stage: Stage, job: str, started: datetime, facts: Circumstances) -> tuple[Mapping[str, object], ...]:
    """The same of a publication that computes nothing and judges nothing: its ports show other rows now."""
    return tell(
        Told(
            mesh=stage.mesh,
            product=stage.product,
            ports=stage.ports,
            run_id=stage.run_id,
            job=job,
            started=started,
            ended=facts.at,
            code=facts.code_version,
            report=GateReport(ports=(), runner="none"),
            computed=False,
        )
    )


def say(told: Told) -> None:
    """Put it into the outbox where no publication does."""
    with told.mesh.store.writing() as con:
        for event in tell(told):
            told.mesh.store.say(con, "lineage", told.run_id, event, told.ended)


def as_uuid(run_id: str) -> uuid.UUID:
    """A run's id as OpenLineage wants it; ids that are no UUID get a stable one."""
    try:
        return uuid.UUID(run_id)
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_URL, run_id)


def _blocked(report: GateReport) -> str:
    return "; ".join(f"{p.address} {r.rule}: {r.message}" for p in report.ports for r in p.rules if r.blocks)


def _inputs(mesh: Mesh, product: Product, told: Told) -> Iterator[InputDataset]:
    for port in product.inputs:
        if port.address and port.address in told.pins:
            pin = told.pins[port.address]
            yield InputDataset(
                name=port.name,
                address=port.address,
                location=_table_location(pin),
                snapshot_id=pin.state.snapshot_id,
                publication=pin.publication,
                fields=fields(contract_of(mesh, pin.state)),
            )
        elif port.source is not None:
            files = told.due.deliveries if told.due and told.due.batch.input_port == port.name else ()
            location = files[0].location if files else str(mesh.settings.root / port.source.path)
            yield InputDataset(
                name=port.name, location=location, bytes=sum(f.size for f in files) if files else None, files=len(files) or None
            )


def _table_location(pin: Pin) -> str:
    return pin.state.metadata_location.rpartition("/metadata/")[0]


def _outputs(told: Told, *, published: bool) -> Iterator[OutputDataset]:
    """The ports that were staged; of a run that failed before the gate, also those that were still to come."""
    for port in told.product.outputs:
        if port.name in told.ports:
            yield _output(told, told.ports[port.name], published=published)
        elif told.report is None:
            yield OutputDataset(
                address=port.address,
                location=_location_of(told.mesh, port.address),
                fields=fields(port.contract),
                description=port.contract.description,
            )


def _location_of(mesh: Mesh, address: Address) -> str:
    """Where a table is, or will be."""
    with suppress(Damaged):
        table = load(mesh.catalog, address)
        if table:
            return table.location()
    return str(mesh.place_of(address))


def _output(told: Told, staged: StagedPort, *, published: bool) -> OutputDataset:
    snapshot = staged.table.metadata.current_snapshot()
    report: PortReport | None = next((p for p in told.report.ports if p.address == staged.address), None) if told.report else None
    return OutputDataset(
        address=staged.address,
        location=staged.table.metadata.location,
        snapshot_id=snapshot.snapshot_id if snapshot and published else None,
        fields=fields(staged.port.contract),
        description=staged.port.contract.description,
        rows=staged.rows if told.computed else None,
        bytes=sum(f.file_size_in_bytes for f in staged.batch) if told.computed else None,
        files=len(staged.batch) if told.computed else None,
        lifecycle=("CREATE" if staged.table.base is None else "OVERWRITE" if staged.mode == "overwrite" else None) if published else None,
        rules=report.rules if report else (),
        columns=of_port(told.mesh.declarations, told.product, staged.port, told.sql.get(staged.port.name)),
    )


def _nominal(mesh: Mesh, product: Product, due: Due | None) -> NominalTime | None:
    """The civil day that a delivery is about, in its domain's time zone."""
    partition = due.batch.partition if due else None
    if not partition:
        return None
    try:
        day = datetime.fromisoformat(partition).date()
    except ValueError:
        return None
    zone = ZoneInfo(mesh.declarations.domains[product.address.domain].timezone)
    start, end = (datetime.combine(d, time(), zone).astimezone(UTC) for d in (day, day + timedelta(days=1)))
    return NominalTime(start=start, end=end)
