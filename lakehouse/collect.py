"""What nothing leads to goes: files of dead runs, and of publications outside the promised history.

Reachable is what the catalog's tables, unexpired publications and rejected batches lead to; never age alone. A product's
files are collected by who holds its lease, so nothing of a living run is among them. Next: `maintain.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from lakehouse.address import Address
from lakehouse.commit import load
from lakehouse.mesh import Mesh
from lakehouse.pins import alive, require_lease
from lakehouse.scan import local_path
from lakehouse.store import Connection, Publication


def recover(mesh: Mesh, product: Address, run_id: str) -> None:
    """After a dead run of `product`, whose lease the caller has taken over: remove what it staged and never published."""
    collect(mesh, product, run_id)


def collect(mesh: Mesh, product: Address, run_id: str) -> tuple[Path, ...]:
    """Remove every file below the product's tables that nothing leads to. The run holds the product's lease, or LeaseLost."""
    gone = tuple(unreachable(mesh, product))
    with mesh.store.reading() as con:  # asked after looking: who may have taken over since has no file among these
        require_lease(mesh, con, product, run_id)
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
    tables = {a: load(mesh.catalog, a) for a in _tables(mesh, product)}
    found = [Path(local_path(t.location())) if t else mesh.place_of(a) for a, t in tables.items()]
    return [f for f in found if f.is_dir()]


def reachable(mesh: Mesh, product: Address) -> set[str]:
    """Every file that somebody may still read: addresses."""
    staged = {f for batch in mesh.store.batches(product) for files in (batch.staged or {}).values() for f in files}
    there = [t for a in _tables(mesh, product) if (t := load(mesh.catalog, a))]
    metadata = {f for t in there for f in (t.metadata_location, *(entry.metadata_file for entry in t.metadata.metadata_log))}
    return metadata | mesh.manifests.reached(_live_lists(mesh, product)) | staged


def _tables(mesh: Mesh, product: Address) -> list[Address]:
    """A product's tables, whether they are there yet or not: its ports and their quarantines."""
    return [a for o in mesh.declarations.products[product].outputs for a in (o.address, o.address.quarantine)]


def _live_lists(mesh: Mesh, product: Address) -> list[str]:
    """The manifest lists of the tables' snapshots and of unexpired publications."""
    there = [t for a in _tables(mesh, product) if (t := load(mesh.catalog, a))]
    listed = [s.manifest_list for t in there for s in t.metadata.snapshots]
    return [*listed, *_lists(mesh.store.unexpired(product))]


def _lists(publications: Iterable[Publication]) -> list[str]:
    return [found for p in publications for s in p.ports for found in (s.manifest_list, s.quarantine) if found]


def expire(mesh: Mesh, product: Address) -> tuple[str, ...]:
    """Let publications outside the promised history go, with the files that only they lead to."""
    publications = mesh.store.unexpired(product)
    gone = _let_go(mesh, publications)
    if not gone:
        return ()
    remove_only_reached_by(mesh, product, _lists([p for p in publications if p.id in gone]))
    return tuple(gone)


def remove_only_reached_by(mesh: Mesh, product: Address, manifest_lists: Sequence[str]) -> None:
    """Remove what only these manifest lists lead to: a table may list a snapshot after its publication has gone, or the other way round."""
    for address in mesh.manifests.reached_only(manifest_lists, _live_lists(mesh, product)):
        Path(local_path(address)).unlink(missing_ok=True)


def _let_go(mesh: Mesh, publications: Sequence[Publication]) -> list[str]:
    """Mark publications that are outside the history and that nobody depends on as expired; give their ids.

    Asking who reads them and marking them is one transaction, as is looking at the mark and taking a reader's lease.
    """
    old = _outside_history(mesh, publications)
    if not old:
        return []
    with mesh.store.writing() as con:
        pinned = _pinned(mesh, con)
        gone = [id for id in old if id not in pinned]
        mesh.store.expire(con, gone)
    return gone


def _outside_history(mesh: Mesh, publications: Sequence[Publication]) -> list[str]:
    """Ids of publications that are too old or too many."""
    history = mesh.settings.history
    oldest = mesh.now() - timedelta(days=history.days)
    return [p.id for number, p in enumerate(publications) if number and (number >= history.publications or p.at < oldest)]


def _pinned(mesh: Mesh, con: Connection) -> set[str]:
    """Publications that a living reader reads, or that a product's current publication was made from.

    Who reads changes may go back to an earlier one, and then needs what that was made from to tell what has changed since.
    """
    leased = {p for lease in mesh.store.leases(con) if alive(lease, mesh) for p in lease.publications}
    currents = [mesh.store.current_in(con, product) for product in mesh.declarations.products]
    comparing = [address for address, p in mesh.declarations.products.items() if any(i.read == "changes" for i in p.inputs)]
    return leased | {p for c in currents if c for p in c.inputs.values()} | mesh.store.made_from(con, comparing)
