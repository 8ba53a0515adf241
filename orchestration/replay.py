"""The way back for rows set aside: through the same cast, split, gate and publish, as a publication of kind replay.

Source rows go through read and transform again, output rows through cast and split. What breaks a rule again is set aside
again. Next: `lakehouse/quarantine.py`.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path

import duckdb

from lakehouse.address import Address
from lakehouse.batches import Due, find, standing
from lakehouse.collect import recover
from lakehouse.declare.product import InputPort, OutputPort, Product, Write
from lakehouse.errors import BatchRefused
from lakehouse.giveup import give_up
from lakehouse.mesh import Mesh
from lakehouse.pins import pinned, writing
from lakehouse.publish import Circumstances, abandon, drop_staged, publish, staging
from lakehouse.quarantine import QuarantinedRow, still
from lakehouse.sources import Rejected, open_source
from lakehouse.sources.arrivals import local
from lakehouse.stage import Stage
from lakehouse.store import Batch
from lakehouse.telling import Told, say, tell
from lakehouse.types import ListOf, MapOf, StructOf, literal, pointer, quote
from orchestration.inputs import Inputs, wanted
from orchestration.loading import load_transform
from orchestration.story import Outcome, Request, targets
from orchestration.transforms import Bound, Transform


def replay(mesh: Mesh, port: Address, rows: Sequence[QuarantinedRow], request: Request) -> Iterator[Outcome]:
    """Publish these quarantined rows of a port, a publication for each batch and origin they came from."""
    product = mesh.declarations.producer(port)
    transform = load_transform(mesh, product)
    with writing(mesh, product.address, request.run_id, recover):
        for (id, origin), group in groupby(sorted(still(mesh, port, rows), key=_origin), key=_origin):
            tried, taken = find(mesh.store, product, id), list(group)
            batch = standing(mesh.store, tried)
            whole = [r for r in taken if r.as_delivered]
            try:
                if whole:
                    yield _replay(mesh, product, product.port(port), transform, batch, origin, whole, request)
                    drop_staged(mesh, tried)
                if len(whole) < len(taken):
                    raise _not_as_delivered(len(taken) - len(whole))
            except BatchRefused as error:  # these rows stay where they are; those of other batches go on
                yield Outcome(batch=batch, result="blocked", error=error)


def _not_as_delivered(rows: int) -> BatchRefused:
    return BatchRefused(
        f"{rows:,} of the rows cannot be read again: they were too long to be kept whole, or no text of the declared encoding",
        hint="correct them at the source and deliver them as a new file, or mesh quarantine discard",
    )


def _origin(row: QuarantinedRow) -> tuple[str, str]:
    return row.batch, row.origin


def _replay(
    mesh: Mesh,
    product: Product,
    port: OutputPort,
    transform: Transform,
    batch: Batch,
    origin: str,
    rows: list[QuarantinedRow],
    request: Request,
) -> Outcome:
    started = mesh.now()
    with (
        pinned(mesh, wanted(mesh, product), request.run_id) as pins,
        mesh.connection() as connection,
        tempfile.TemporaryDirectory() as scratch,
        staging(Stage(mesh, product, request.run_id, connection, batch.id)) as stage,
    ):
        stage.deliveries = tuple(sorted({r.file for r in rows if r.file}))
        again = _as_delivery(mesh, product, batch, rows, Path(scratch)) if origin == "source" else Again(product=product)
        with Inputs(mesh=mesh, product=again.product, connection=connection, pins=pins, due=again.due, stage=stage) as inputs:
            bound = Bound(connection=connection, relation=inputs.relation, limit_rows=mesh.settings.engine.materialise_rows)
            if origin == "source":
                _check_changes(product, port, transform.reads(port), batch.input_port)
            with inputs.told(f"{product.address}: replay"):
                relation = transform.rows(port, bound) if origin == "source" else _typed(port, rows)
                rejected = partial(again.rejected, inputs)
                written = stage.write(port, relation, rejected=rejected, mode=_taking(port), replayed=[r.id for r in rows])
                if written.aside + written.unread and not written.rows + written.skipped:  # set aside again, all stay as they are
                    abandon(stage)
                    return Outcome(batch=batch, result="unchanged", publication=stage.current)
                _follow(product, port, stage, transform, inputs, bound, [batch.input_port] if origin == "source" else [])
            ports = targets(mesh, pins)
            report = transform.judged(stage.audit(ports), stage, ports)
            told = Told(
                mesh=mesh,
                product=product,
                ports=stage.ports,
                run_id=request.run_id,
                job=request.job,
                started=started,
                ended=mesh.now(),
                pins=pins,
                code=transform.version,
                report=report,
                sql=transform.sql,
            )
            if report.blocked:
                say(told)
                abandon(stage)
                return Outcome(batch=batch, result="blocked", report=report)
            current = mesh.store.current(product.address)
            facts = Circumstances(
                kind="replay",
                at=told.ended,
                code_version=transform.version,
                fingerprint=current.fingerprint if current else "",
                inputs=current.inputs if current else {},
                batches=[batch],
            )
            return Outcome(batch=batch, result="published", report=report, publication=publish(stage, report, facts, tell(told)))


def _follow(
    product: Product, port: OutputPort, stage: Stage, transform: Transform, inputs: Inputs, bound: Bound, again: Collection[str]
) -> None:
    """Compute the siblings anew that read the replayed port, or the input ports whose rows come `again`."""
    for sibling in product.outputs:
        reads = set(transform.reads(sibling)) if sibling is not port else set[str]()
        written = reads & stage.ports.keys()
        if not written and not reads & set(again):
            continue
        _check_rest(product, sibling, reads - written - set(again), mixed=bool(written and reads & set(again)))
        mode = sibling.write if written else _taking(sibling)
        relation = transform.rows(sibling, replace(bound, relation=partial(inputs.relation, reader=mode, reads=reads)))
        stage.write(sibling, relation, mode=mode, reads=written)


def _check_changes(product: Product, port: OutputPort, reads: Collection[str], delivery: str) -> None:
    """What has changed upstream since belongs to the next run, not to the rows of this delivery. BatchRefused where both are read."""
    rest = sorted(i.name for i in product.inputs if i.name in reads and i.name != delivery and i.read == "changes")
    if rest:
        raise BatchRefused(
            f"{port.address} is computed from the replayed rows and from what changes in {rest[0]}, which the next run takes",
            hint="deliver the corrected rows as a new file, or mesh quarantine discard",
        )


def _check_rest(product: Product, sibling: OutputPort, rest: Collection[str], *, mixed: bool) -> None:
    """What else a sibling reads has to be what it would read in a run: all of it, as an overwrite does. BatchRefused otherwise."""
    parts = {i.name for i in product.inputs if i.source or i.read == "changes"}
    whole = sibling.write == "overwrite" and not parts & set(rest)
    if (rest and not whole) or (mixed and sibling.write != "append"):
        what = ", ".join(sorted(rest)) or "the delivery"
        raise BatchRefused(
            f"{sibling.address} is computed from the replayed rows and from {what}, of which a replay reads not what a run would",
            hint="deliver the corrected rows as a new file, or mesh quarantine discard",
        )


def _taking(port: OutputPort) -> Write:
    """How replayed rows come into a port, beside those that are there."""
    return "upsert" if port.write == "upsert" else "append"


def _typed(port: OutputPort, rows: Sequence[QuarantinedRow]) -> str:
    """Output rows from their JSON: scalars as text, which the writer casts and judges, nested values by DuckDB's JSON cast."""
    columns = []
    for column in port.contract.columns:
        nested, path = isinstance(column.type, ListOf | MapOf | StructOf), pointer(column.name)
        value = f"try_cast(row->{path} as {column.type.duckdb})" if nested else f"row->>{path}"
        columns.append(f"{value} as {quote(column.name)}")
    values = ", ".join(f"({literal(_exact(r.row))}::json)" for r in rows)
    return f"(select {', '.join(columns)} from (values {values}) kept(row))"


def _exact(row: str) -> str:
    """The JSON with its numbers as texts: as numbers DuckDB would read them as doubles, and a long decimal would lose digits."""
    return json.dumps(json.loads(row, parse_int=str, parse_float=str, parse_constant=str), ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Rows as they are read again: by which product, from which delivery, and which row a line of it was."""

    product: Product
    due: Due | None = None
    places: Mapping[tuple[str, int], QuarantinedRow] = field(default_factory=dict)

    def rejected(self, inputs: Inputs) -> Sequence[Rejected]:
        """What could not be read this time either, at its first place."""
        return [self._placed(r) for r in inputs.rejected()]

    def _placed(self, found: Rejected) -> Rejected:
        first = self.places.get((found.file, found.line))
        return replace(found, file=first.file or found.file, line=first.line or found.line) if first else found


def _as_delivery(mesh: Mesh, product: Product, batch: Batch, rows: Sequence[QuarantinedRow], folder: Path) -> Again:
    """Source rows as files again, one for each that they came from; and the product that reads them there."""
    port = product.input(batch.input_port)
    if port.source is None:
        raise BatchRefused(f"rows of {port.name} came with no file", hint="correct them at the source and deliver them again")
    places: dict[tuple[str, int], QuarantinedRow] = {}
    for name, group in groupby(sorted(rows, key=lambda r: (r.file or "", r.line or 0)), key=lambda r: r.file or ""):
        kept, path = list(group), folder / f"{uuid.uuid4().hex}.{port.source.format}"
        if port.source.format == "parquet":
            _pick(_original(port, name, mesh, product, batch, folder), [row.line or 0 for row in kept], path)
            places |= {(path.name, number): row for number, row in enumerate(kept, start=1)}
            continue
        lines = _header(port, name, mesh, product, batch, folder)
        for row in kept:
            places[path.name, sum(line.count("\n") + 1 for line in lines) + 1] = row
            lines.append(row.row)
        path.write_text("\n".join(lines) + "\n", encoding=port.source.dialect.encoding)
    moved = replace(port, source=replace(port.source, path=str(folder)))
    reading = replace(product, inputs=tuple(moved if i.name == port.name else i for i in product.inputs))
    deliveries = tuple(open_source(moved, mesh.settings.root).deliveries())
    return Again(product=reading, due=Due(batch=batch, deliveries=deliveries, arrivals=()), places=places)


def _pick(file: Path, numbers: Sequence[int], into: Path) -> None:
    """Some rows of a Parquet file, by their numbers from 1, as a file of their own."""
    with duckdb.connect() as connection:
        wanted = ", ".join(map(str, numbers))
        picked = f"select * from read_parquet([{literal(str(file))}]) where file_row_number + 1 in ({wanted}) order by file_row_number"
        connection.execute(f"copy ({picked}) to {literal(str(into))} (format parquet)")


def _header(port: InputPort, name: str, mesh: Mesh, product: Product, batch: Batch, folder: Path) -> list[str]:
    """The lines above the rows of a file, as it was when it was delivered."""
    if port.source is None or port.source.format != "csv":
        return []
    dialect = port.source.dialect
    if not dialect.header:
        return ["-"] * dialect.skip  # nobody reads them
    path = _original(port, name, mesh, product, batch, folder)
    opened = gzip.open if path.suffix == ".gz" else open
    # what follows the header may be no text; it is read ahead and not looked at
    with opened(path, "rt", encoding=dialect.encoding, errors="replace") as file:
        return [next(file).rstrip("\r\n") for _ in range(dialect.skip + 1)]


def _original(port: InputPort, name: str, mesh: Mesh, product: Product, batch: Batch, folder: Path) -> Path:
    """A file of a batch, or a copy of one that lies elsewhere; BatchRefused when it has not the content that it was delivered with."""
    arrivals = mesh.store.arrivals_of(product.address, batch.id)
    named = [a for a in arrivals if a.name == name] or [a for a in arrivals if a.location.endswith(f"/{name}")] or arrivals
    source = open_source(port, mesh.settings.root)
    there = next((d for d in source.deliveries() if named and d.name == named[0].name), None)
    if there is None or (there.stamp != named[0].stamp and source.digest(there) != named[0].digest):
        what = "has other content now" if there else "is no longer there"
        raise BatchRefused(f"{name} {what}, and the rows need it to be read again", hint="deliver the corrected rows as a new file")
    copies = folder / "originals"
    copies.mkdir(exist_ok=True)
    return local(there, "utf-8", lambda: copies)


def discard(mesh: Mesh, port: Address, rows: Sequence[QuarantinedRow], run_id: str) -> int:
    """Give quarantined rows up; they count as discarded. Nothing that a consumer sees changes, in a publication of its own."""
    product = mesh.declarations.producer(port)
    with writing(mesh, product.address, run_id, recover):
        return give_up(mesh, product, port, rows, run_id)
