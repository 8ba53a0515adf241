"""`batches`, `discard`, `log`, `show`: what arrived, what was published, and what is known of a port."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from lakemesh.session import One, new_run_id, session


def batches(
    context: typer.Context,
    address: One,
    *,
    state: Annotated[
        Literal["pending", "published", "rejected", "discarded", "withdrawn"] | None, typer.Option("--state", help="Only these.")
    ] = None,
) -> None:
    """Deliveries and what became of them."""
    from lakemesh import selection
    from lakemesh.render import table

    call = session(context)
    with call.open() as mesh:
        found = mesh.store.batches(selection.product(mesh.declarations, address).address, *([state] if state else []))
    rows = [
        {
            "id": b.id,
            "name": b.name,
            "state": b.state,
            "rows": b.delivered,
            "reason": b.reason,
            "published": b.published,
            "quarantined": b.quarantined,
            "discarded": b.discarded,
            "partition": b.partition,
            "publication": b.publication,
            "at": b.at,
        }
        for b in found
    ]
    columns = ("id", "name", "state", "rows", "quarantined", "reason")
    call.answer({"batches": rows}, lambda: table(columns, [[row[c] for c in columns] for row in rows]))


def discard(
    context: typer.Context,
    address: One,
    *,
    batch: Annotated[str, typer.Option("--batch", metavar="ID", help="The beginning of its id.")],
    reason: Annotated[str, typer.Option("--reason", metavar="R", help="Why; it is kept with the batch.")],
) -> None:
    """Give a rejected or pending batch up."""
    from lakehouse.errors import WrongUse
    from lakehouse.giveup import give_up_batch
    from lakemesh import selection
    from lakemesh.render import line, number

    if not reason.strip():
        raise WrongUse("a batch is given up for a reason", hint="--reason 'half a file'")
    call = session(context)
    with call.open() as mesh:
        gone = give_up_batch(mesh, selection.product(mesh.declarations, address), batch, reason=reason, run_id=new_run_id())
    found = {"id": gone.id, "name": gone.name, "state": gone.state, "rows": gone.delivered, "reason": gone.reason}
    done = "discarded" if gone.state == "discarded" else "gave up the last try of"
    left = number(gone.delivered, "row") if gone.state == "discarded" else "it stays as it was published before"
    call.answer({"batches": [found]}, lambda: line(f"{done} {gone.name} (batch {gone.id}): {left}"))


def log(
    context: typer.Context,
    address: One,
    *,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Only the newest.")] = None,
) -> None:
    """Publications of a product, newest first."""
    from lakemesh import describe, selection
    from lakemesh.render import table

    call = session(context)
    with call.open() as mesh:
        found = mesh.store.publications(selection.product(mesh.declarations, address).address, limit=limit)
    columns = ("id", "kind", "at", "rows", "total rows", "batches", "")
    rows = [
        (p.id, p.kind, p.at, p.ports[0].rows, p.ports[0].total_rows, len(p.batches), " ".join(describe.marks(p))) for p in found if p.ports
    ]
    call.answer({"publications": [describe.publication(p) for p in found]}, lambda: table(columns, rows))


def show(context: typer.Context, address: Annotated[str | None, typer.Argument(metavar="ADDRESS", help="None: all ports.")] = None) -> None:
    """Everything about a port; without one, a list of them."""
    from lakemesh import describe, selection
    from lakemesh.render import table

    call = session(context)
    with call.open() as mesh:
        if address is None:
            ports = describe.overview(mesh)
            if not ports:
                mesh.declarations.raise_errors()
            columns = ("address", "status", "version", "owner", "rows", "published")
            call.answer({"ports": ports}, lambda: table(columns, [[p[c] for c in columns] for p in ports]))
            return
        known = describe.port(mesh, selection.product(mesh.declarations, address), selection.port(mesh.declarations, address))
    call.answer(known, lambda: describe.show(known))
