"""What nothing leads to goes: files of dead runs, and of publications outside the promised history.

Reachable is what the catalog's tables, unexpired publications and rejected batches lead to; never age alone. A product's
files are collected by who holds its lease, so nothing of a living run is among them. Next: `maintain.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from pyiceberg.table import Table

from lakehouse.address import Address
from lakehouse.commit import load
from lakehouse.mesh import Mesh
from lakehouse.pins import alive
from lakehouse.scan import local_path
from lakehouse.store import Publication


def recover(mesh: Mesh, product: Address) -> None:
    """After a dead run of `product`, whose lease the caller has taken over: remove what it staged and never published."""
    collect(mesh, product)


def collect(mesh: Mesh, product: Address) -> tuple[Path, ...]:
    """Remove every file below the product's tables that nothing leads to. The caller holds the product's lease."""
    gone = tuple(unreachable(mesh, product))
    for path in gone:
        path.unlink(missing_ok=True)
    for folder in sorted({p.parent for p in gone}, key=lambda p: len(p.parts), reverse=True):
        _remove_empty(folder)
    return gone


def _remove_empty(folder: Path) -> None:
    while folder.name not in ("data", "metadata") and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def unreachable(mesh: Mesh, product: Address) -> Iterator[Path]:
    """The files below the product's tables that nothing leads to."""
    kept = {local_path(a) for a in reachable(mesh, product)}
    for folder in folders(mesh, product):
        yield from (p for p in sorted(folder.rglob("*")) if p.is_file() and str(p) not in kept)


def folders(mesh: Mesh, product: Address) -> list[Path]:
    """Where the files of a product's tables lie, also of ports that were staged but never published."""
    ports = mesh.declarations.products[product].outputs
    names = [a for o in ports for a in (o.address, o.address.quarantine)]
    tables = {a: load(mesh.catalog, a) for a in names}
    found = [Path(local_path(t.location())) if t else mesh.settings.warehouse / a.domain / a.port for a, t in tables.items()]
    return [f for f in found if f.is_dir()]


def reachable(mesh: Mesh, product: Address) -> Iterator[str]:
    """Every file that somebody may still read: addresses, in no order."""
    declared = mesh.declarations.products[product].outputs
    for address in [a for o in declared for a in (o.address, o.address.quarantine)]:
        table = load(mesh.catalog, address)
        if table is not None:
            yield from _of_table(mesh, table)
    for publication in mesh.store.unexpired(product):
        for state in publication.ports:
            yield from mesh.manifests.reached(state.manifest_list)
    for batch in mesh.store.batches(product):
        yield from (f for files in (batch.staged or {}).values() for f in files)


def _of_table(mesh: Mesh, table: Table) -> Iterator[str]:
    yield table.metadata_location
    yield from (entry.metadata_file for entry in table.metadata.metadata_log)
    for snapshot in table.metadata.snapshots:
        yield from mesh.manifests.reached(snapshot.manifest_list)


def expire(mesh: Mesh, product: Address) -> tuple[str, ...]:
    """Let publications outside the promised history go, with the files that only they lead to."""
    publications = mesh.store.unexpired(product)
    gone = _outside_history(mesh, publications)
    if not gone:
        return ()
    kept = [p for p in publications if p not in gone]
    lost = _files(mesh, gone) - _files(mesh, kept) - set(_current_files(mesh, product))
    mesh.store.expire(p.id for p in gone)
    for address in lost:
        Path(local_path(address)).unlink(missing_ok=True)
    return tuple(p.id for p in gone)


def _outside_history(mesh: Mesh, publications: Sequence[Publication]) -> list[Publication]:
    history = mesh.settings.history
    oldest = mesh.now() - timedelta(days=history.days)
    pinned = _pinned(mesh)
    old = [p for number, p in enumerate(publications) if number >= history.publications or p.at < oldest]
    return [p for p in old if p.id not in pinned and p is not publications[0]]


def _pinned(mesh: Mesh) -> set[str]:
    """Publications that a living reader reads, or that a product's current publication was made from."""
    with mesh.store.reading() as con:
        leased = {p for lease in mesh.store.leases(con) if alive(lease, mesh) for p in lease.publications}
        currents = [mesh.store.current_in(con, product) for product in mesh.declarations.products]
    return leased | {p for c in currents if c for p in c.inputs.values()}


def _files(mesh: Mesh, publications: Iterable[Publication]) -> set[str]:
    return {f for p in publications for s in p.ports for f in mesh.manifests.reached(s.manifest_list)}


def _current_files(mesh: Mesh, product: Address) -> Iterator[str]:
    """What the tables themselves lead to; their metadata lists fewer snapshots than the history keeps."""
    for port in mesh.declarations.products[product].outputs:
        table = load(mesh.catalog, port.address)
        if table is not None:
            yield from _of_table(mesh, table)
