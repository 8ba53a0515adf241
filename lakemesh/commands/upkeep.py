"""`maintain`, `verify`, `doctor`, `up`: keep the state small, prove it whole, see what is there to work with, serve it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lakemesh.session import Selected, new_run_id, session


def maintain(context: typer.Context, selected: Selected = None) -> None:
    """Retention, expiry, collection, and recovery after dead runs."""
    from lakehouse.errors import MeshError
    from lakehouse.maintain import Upkeep
    from lakehouse.maintain import maintain as keep
    from lakehouse.outbox import deliver, tidy
    from lakemesh import selection
    from lakemesh.failures import document
    from lakemesh.render import line

    call = session(context)
    done: list[Upkeep] = []
    failed: list[tuple[str, MeshError]] = []
    with call.open() as mesh:
        for product in selection.products(mesh.declarations, selected):
            try:
                done.append(keep(mesh, product, new_run_id()))
            except MeshError as error:  # what one product cannot do is no reason for another's old rows to stay
                failed.append((str(product.address), error))
        deliver(mesh, budget=10.0)
        tidy(mesh)
    found: list[dict[str, object]] = [
        {
            "address": str(u.product),
            "retained": u.retained,
            "quarantined_discarded": u.given_up,
            "expired": list(u.expired),
            "files_removed": len(u.removed),
            "rejected_forgotten": list(u.forgotten),
            "error": None,
        }
        for u in done
    ]
    found += [{"address": address, "error": document(error)} for address, error in failed]

    def show() -> None:
        for u in done:
            kept = f", old rows left in publication {u.retained}" if u.retained else ""
            line(f"{u.product}: {len(u.expired):,} publications expired, {len(u.removed):,} files collected{kept}")
        for address, error in failed:
            line(f"{address}: not kept up\n  {error}")

    call.answer({"upkeep": found}, show)
    raise typer.Exit(max((error.exit_code for _, error in failed), default=0))


def verify(context: typer.Context, selected: Selected = None) -> None:
    """Prove that files, catalog, store and accounts agree."""
    from lakehouse.verify import verify as prove
    from lakemesh import selection
    from lakemesh.render import line, number

    call = session(context)
    with call.open() as mesh:
        products = selection.products(mesh.declarations, selected)
        found = prove(mesh, products)
    document = [{"subject": str(f.subject), "kind": f.kind, "message": f.message, "place": f.place, "hint": f.hint} for f in found]

    def show() -> None:
        for f in found:
            line(f"{f.kind}: {f.subject}: {f.place}: {f.message}\n  hint: {f.hint}")
        line(f"{number(len(products), 'product')} verified, {number(len(found), 'finding')}")

    call.answer({"ok": not found, "findings": document}, show)
    raise typer.Exit(int(bool(found)))


def doctor(context: typer.Context) -> None:
    """What is installed, reachable and configured."""
    from lakemesh import checkup
    from lakemesh.render import table

    call = session(context)
    found = checkup.examine(call)
    rows = [(f.about, f.what, "" if f.well else f.hint) for f in found]
    document = [{"about": f.about, "what": f.what, "ok": f.well, "hint": f.hint} for f in found]
    well = all(f.well for f in found)
    call.answer({"ok": well, "findings": document}, lambda: table(("about", "found", "what to do"), rows))
    raise typer.Exit(0 if well else 3)


def up(
    context: typer.Context,
    *,
    listen: Annotated[str, typer.Option("--listen", metavar="HOST:PORT", help="Where the UI listens.")] = "127.0.0.1:3000",
) -> None:
    """Serve the Dagster UI until Ctrl-C."""
    from lakemesh.render import line
    from lakemesh.supervisor import Listen, serve

    call = session(context)

    def ready(url: str) -> None:
        call.answer({"dagster": url}, lambda: line(f"dagster  {url}"))
        sys.stdout.flush()

    serve(call.settings(), Listen.parse(listen), ready)
