"""`run`, `batches`, `discard`: take what has arrived, and see what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lakemesh.session import Selected, note, session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.batches import Wanted
    from lakehouse.declare.product import Product
    from lakehouse.mesh import Mesh


def run(
    context: typer.Context,
    selected: Selected = None,
    *,
    partition: Annotated[str | None, typer.Option("--partition", metavar="KEY", help="Take the deliveries of one partition.")] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="KEY", help="Take partitions from this one on.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="KEY", help="Take partitions up to this one.")] = None,
    batch: Annotated[str | None, typer.Option("--batch", metavar="ID", help="Take this batch, also a withdrawn or discarded one.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Take rejected batches again, and compute what has not changed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Go through the gate and publish nothing.")] = False,
) -> None:
    """Run products now, in dependency order.

    Each batch that has arrived is staged, audited and published, or rejected. No product named: all of them.
    """
    from lakehouse.batches import Wanted, find
    from lakehouse.errors import WrongUse
    from lakehouse.outbox import Courier
    from lakemesh import runs, selection
    from lakemesh.progress import watching
    from orchestration.runs import run as run_products

    if partition and (first or last):
        raise WrongUse("--partition names one, --from and --to several", hint="use one or the other")
    if first and last and first > last:
        raise WrongUse(f"--from {first} comes after --to {last}", hint="exchange them")
    call = session(context)
    wanted = Wanted(batch=batch, first=partition or first, last=partition or last, force=force)
    with call.open() as mesh:
        products = selection.products(mesh.declarations, selected)
        if wanted.names_partitions:
            _refuse_empty(mesh, products, wanted)
        if batch and len(products) != 1:
            raise WrongUse("--batch belongs to one product", hint="name it: mesh run domain.port --batch ID")
        if batch:
            find(mesh.store, products[0], batch)
        with Courier(mesh), watching() as watch:
            done = run_products(mesh, products, wanted, dry=dry_run, watch=watch)
        waiting = [r.product for r in done if r.verdict == "unchanged" and r.product.sources and not mesh.store.current(r.product.address)]
    for product in waiting:
        places = ", ".join(port.source.path for port in product.sources if port.source)
        note(f"{product.address}: nothing has arrived yet at {places}")
    call.answer(runs.document(done), lambda: runs.show(done, dry=dry_run))
    raise typer.Exit(max((r.exit_code for r in done), default=0))


def _refuse_empty(mesh: Mesh, products: Sequence[Product], wanted: Wanted) -> None:
    """WrongUse when nothing was delivered for the partitions that are named: a slip of the pen, as a rule."""
    from lakehouse.errors import WrongUse
    from lakehouse.sources import open_source

    sources = [open_source(port, mesh.settings.root) for product in products for port in product.sources]
    there = sorted({d.partition for source in sources for d in source.deliveries() if d.partition is not None})
    if not there:
        hint = "`delivery` of an input port says where in a file's name its partition stands"
        raise WrongUse("no delivery of these products belongs to a partition", hint=hint)
    if not any(map(wanted.covers, there)):
        raise WrongUse("nothing was delivered for these partitions", hint=f"there are {len(there):,}, from {there[0]} to {there[-1]}")
