"""Is everything still as it was promised? The invariants of a mesh, checked again against its storage.

Files that are referred to are there and whole, nothing else lies about, store and catalog say the same, deliveries add up,
nothing is visible unjudged, nobody dead holds anything. It changes nothing. Next: `maintain.py` and `rollback.py` mend.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from lakehouse.address import Address
from lakehouse.batches import told
from lakehouse.collect import unreachable
from lakehouse.commit import load
from lakehouse.declare.product import Product
from lakehouse.errors import Damaged
from lakehouse.manifests import Manifests
from lakehouse.mesh import Mesh
from lakehouse.pins import alive
from lakehouse.publish import report_from_json
from lakehouse.quarantine import rows as quarantined_rows
from lakehouse.scan import local_path
from lakehouse.store import Batch, PortState, Publication

Kind = Literal["damaged", "unreferenced", "disagreement", "accounts", "unjudged", "lease"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One thing that is not as promised. `subject` is a port or product, `place` a file or record."""

    subject: Address
    kind: Kind
    message: str
    place: str
    hint: str


def verify(mesh: Mesh, products: Iterable[Product]) -> tuple[Finding, ...]:
    """Everything that is not as promised, product by product. Meant for a quiet mesh; what a living run is about is let pass."""
    mesh.catalog.known.clear()  # metadata files as they are now, not as they were read once
    checks = (_files, _leftovers, _pointers, _accounts, _verdicts, _leases)
    found = [f for product in products for check in checks for f in _findings(check, mesh, product)]
    return tuple(dict.fromkeys(found))


def _findings(check: Callable[[Mesh, Product], Iterator[Finding]], mesh: Mesh, product: Product) -> Iterator[Finding]:
    """What a check finds, up to a file that it cannot do without."""
    try:
        yield from check(mesh, product)
    except Damaged as error:
        yield Finding(subject=product.address, kind="damaged", message=error.what, place=error.place, hint=error.hint)


# files


def _files(mesh: Mesh, product: Product) -> Iterator[Finding]:
    """Every file that a readable publication or a table refers to is there and whole."""
    fresh = mesh.manifests.fresh()
    whole: set[str] = set()
    for publication in mesh.store.unexpired(product.address):
        for state in publication.ports:
            yield from _state_files(fresh, state.address, state.manifest_list, whole)
            yield from _state_files(fresh, state.address.quarantine, state.quarantine, whole)
    for table in _tables(mesh, product):
        for snapshot in table.metadata.snapshots:
            yield from _state_files(fresh, Address(*table.name()), snapshot.manifest_list, whole)


def _tables(mesh: Mesh, product: Product) -> Iterator[Table]:
    for port in product.outputs:
        for address in (port.address, port.address.quarantine):
            table = load(mesh.catalog, address)
            if table is not None:
                yield table


def _state_files(manifests: Manifests, port: Address, manifest_list: str | None, whole: set[str]) -> Iterator[Finding]:
    if manifest_list is None or manifest_list in whole:
        return
    whole.add(manifest_list)
    try:
        files = manifests.files(manifest_list)
    except Damaged as error:
        yield Finding(subject=port, kind="damaged", message=error.what, place=error.place, hint=error.hint)
        return
    for file in files:
        damage = None if file.file_path in whole else _damage(file)
        whole.add(file.file_path)
        if damage:
            hint = "restore the file from a backup, or mesh rollback to a publication without it"
            yield Finding(subject=port, kind="damaged", message=damage, place=file.file_path, hint=hint)


def _damage(file: DataFile) -> str | None:
    """What is wrong with a data file; None when its size and its own account of its rows are what the manifest says."""
    path = Path(local_path(file.file_path))
    if not path.is_file():
        return "the data file is missing"
    if path.stat().st_size != file.file_size_in_bytes:
        return f"the data file has {path.stat().st_size:,} bytes, not {file.file_size_in_bytes:,}"
    try:
        footer = pq.read_metadata(path)
        nameless = [f.name for f in footer.schema.to_arrow_schema() if b"PARQUET:field_id" not in (f.metadata or {})]
    except (OSError, pa.ArrowException) as error:
        return f"the data file cannot be read: {error}"
    if nameless:
        return f"the data file's column {nameless[0]} has no field id, by which other readers find it"
    rows = footer.num_rows
    return None if rows == file.record_count else f"the data file has {rows:,} rows, not {file.record_count:,}"


def _leftovers(mesh: Mesh, product: Product) -> Iterator[Finding]:
    """No file lies below the tables that nothing leads to, unless a living run is writing."""
    if _being_written(mesh, product):
        return
    for path in list(unreachable(mesh, product.address)):
        if path.exists() and not _being_written(mesh, product):
            yield Finding(
                subject=product.address,
                kind="unreferenced",
                message="nothing leads to this file",
                place=str(path),
                hint=f"mesh maintain {product.address} removes it, and so does the next run after a crash",
            )


def _being_written(mesh: Mesh, product: Product) -> bool:
    with mesh.store.reading() as con:
        leases = mesh.store.leases(con, product.address)
    return any(alive(lease, mesh) for lease in leases)


# store and catalog


def _pointers(mesh: Mesh, product: Product) -> Iterator[Finding]:
    """The current publication's states are what the catalog points at, and hold as many rows as they say."""
    current = mesh.store.current(product.address)
    for state in current.ports if current else ():
        table = load(mesh.catalog, state.address)
        if table is None:
            yield _disagreement(state, "it is in the store but not in the catalog")
        elif table.metadata_location != state.metadata_location or table.metadata.current_snapshot_id != state.snapshot_id:
            yield _disagreement(state, f"the catalog points at {table.metadata_location}, the store at {state.metadata_location}")
        else:
            yield from _row_counts(mesh, state)
    if current is None:
        for table in _tables(mesh, product):
            yield Finding(
                subject=Address(*table.name()),
                kind="unjudged",
                message="the table is visible and was never published",
                place=table.metadata_location,
                hint="drop it, or run the product",
            )


def _disagreement(state: PortState, message: str) -> Finding:
    hint = "another program wrote to this table: mesh rollback publishes what the store knows"
    return Finding(subject=state.address, kind="disagreement", message=message, place=state.metadata_location, hint=hint)


def _row_counts(mesh: Mesh, state: PortState) -> Iterator[Finding]:
    held = sum(f.record_count for f in mesh.manifests.files(state.manifest_list))
    if held != state.total_rows:
        yield _disagreement(state, f"the files hold {held:,} rows, the publication says {state.total_rows:,}")


# accounts


def _accounts(mesh: Mesh, product: Product) -> Iterator[Finding]:
    """What was delivered is what was published, set aside or given up."""
    publications = mesh.store.publications(product.address)
    batches = _published(mesh, product, publications)
    if not product.functions and not product.models:
        for batch in batches:
            held = batch.published + batch.quarantined + batch.discarded
            if held != batch.delivered:
                yield _imbalance(product, batch.name, f"{batch.delivered:,} rows were delivered, {held:,} are accounted for")
    if product.main.write == "append" and publications and all(p.kind != "retention" for p in publications):
        published, total = sum(b.published for b in batches), publications[0].port(product.main.address).total_rows
        if published != total:
            yield _imbalance(product, publications[0].id, f"the batches published {published:,} rows, the port holds {total:,}")
    yield from _quarantine(mesh, product, {b.id: b.quarantined for b in batches})


def _published(mesh: Mesh, product: Product, publications: Sequence[Publication]) -> list[Batch]:
    """The batches that make up what is shown. One whose second try was rejected is shown as it was first published."""
    known = {b.id: b for b in mesh.store.batches(product.address, "published")}
    return [b for b in {**told(publications), **known}.values() if b.state == "published"]


def _quarantine(mesh: Mesh, product: Product, expected: dict[str, int]) -> Iterator[Finding]:
    """Rows are set aside for published batches only; where a quarantine accumulates, as many as the batch says."""
    kept = Counter(r.batch for r in quarantined_rows(mesh, product.main.address))
    for batch in sorted(kept.keys() - expected.keys()):
        yield _imbalance(product, batch, f"{kept[batch]:,} rows are set aside for a batch that is not published")
    if product.main.write in ("append", "upsert"):
        for batch, number in expected.items():
            if kept[batch] != number:
                yield _imbalance(product, batch, f"{number:,} rows were set aside, the quarantine holds {kept[batch]:,}")


def _imbalance(product: Product, place: str, message: str) -> Finding:
    hint = f"mesh batches {product.address} and mesh log {product.address} tell the story"
    return Finding(subject=product.address, kind="accounts", message=message, place=place, hint=hint)


# verdicts and leases


def _verdicts(mesh: Mesh, product: Product) -> Iterator[Finding]:
    """Every publication has a report of its own that lets it pass."""
    for publication in mesh.store.publications(product.address):
        problem = _unjudged(mesh, publication)
        if problem:
            hint = f"mesh rollback {product.address} goes back to a publication that was judged"
            yield Finding(subject=product.address, kind="unjudged", message=problem, place=publication.id, hint=hint)


def _unjudged(mesh: Mesh, publication: Publication) -> str | None:
    body = mesh.store.report(publication.product, publication=publication.id)
    if body is None:
        return "the publication has no gate report"
    report = report_from_json(body)
    if report.blocked:
        return "the publication was blocked by its gate"
    judged = {p.address for p in report.ports}
    missing = [s.address for s in publication.ports if s.changed and s.address not in judged]
    if missing and publication.kind != "retention":
        return f"nobody judged {', '.join(map(str, missing))}"
    return None


def _leases(mesh: Mesh, product: Product) -> Iterator[Finding]:
    with mesh.store.reading() as con:
        held = mesh.store.leases(con, product.address)
    for lease in held:
        if not alive(lease, mesh):
            yield Finding(
                subject=product.address,
                kind="lease",
                message=f"run {lease.run_id} is gone (process {lease.holder.pid}) and left its lease",
                place=lease.id,
                hint=f"the next run of {product.address} cleans up after it, as does mesh maintain",
            )
