"""`quarantine` and `rollback`: the way back for rows that were set aside, and for publications that were wrong."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from lakemesh.session import One, new_run_id, note, session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.quarantine import QuarantinedRow
    from lakehouse.rollback import RollbackPlan

Ids = Annotated[list[str] | None, typer.Option("--id", metavar="ID", help="Only this row; may be repeated. Default: all.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def listed(context: typer.Context, address: One) -> None:
    """How many rows are set aside, by rule and batch."""
    from lakehouse.quarantine import rows
    from lakemesh import selection
    from lakemesh.render import table

    call = session(context)
    with call.open() as mesh:
        found = rows(mesh, selection.port(mesh.declarations, address).address)
    groups = sorted({(r.rule, r.origin, r.batch) for r in found})
    counts = [
        (*g, sum((r.rule, r.origin, r.batch) == g for r in found), next(r.reason for r in found if (r.rule, r.origin, r.batch) == g))
        for g in groups
    ]
    call.answer({"rows": [_row(r) for r in found]}, lambda: table(("rule", "origin", "batch", "rows", "reason"), counts))


def shown(context: typer.Context, address: One, *, ids: Ids = None) -> None:
    """The rows that are set aside, with the reason of each."""
    from lakehouse.quarantine import chosen
    from lakemesh import selection
    from lakemesh.render import table, to_json

    call = session(context)
    with call.open() as mesh:
        found = chosen(mesh, selection.port(mesh.declarations, address).address, ids)
    columns = ("id", "rule", "reason", "batch", "file", "line", "row")
    cells = [(r.id[:8], r.rule, r.reason, r.batch, r.file, r.line, to_json(r.content)) for r in found]
    call.answer({"rows": [_row(r) for r in found]}, lambda: table(columns, cells))


def replayed(context: typer.Context, address: One, *, ids: Ids = None) -> None:
    """Take rows through the product again.

    What passes now is published, as a publication of kind replay.
    """
    from lakehouse.outbox import Courier
    from lakehouse.quarantine import chosen
    from lakemesh import runs, selection
    from orchestration.replay import replay
    from orchestration.runs import ProductRun
    from orchestration.story import Request

    call, run_id = session(context), new_run_id()
    with call.open() as mesh:
        port = selection.port(mesh.declarations, address).address
        product = mesh.declarations.producer(port)
        with Courier(mesh):
            outcomes = tuple(replay(mesh, port, chosen(mesh, port, ids), Request(run_id=run_id)))
    done = ProductRun(run_id=run_id, product=product, outcomes=outcomes)
    call.answer(runs.document([done]), lambda: runs.show([done]))
    raise typer.Exit(done.exit_code)


def discarded(context: typer.Context, address: One, *, ids: Ids = None, yes: Yes = False) -> None:
    """Give rows up for good; they count as discarded."""
    from lakehouse.quarantine import chosen
    from lakemesh import selection
    from lakemesh.render import line, number
    from orchestration.replay import discard

    call = session(context)
    with call.open() as mesh:
        port = selection.port(mesh.declarations, address).address
        rows = chosen(mesh, port, ids)
        _confirm(f"give up {number(len(rows), 'row')} of {port}?", asked=not yes and not ids and bool(rows))
        gone = discard(mesh, port, rows, new_run_id()) if rows else 0
    call.answer({"rows": [_row(r) for r in rows]}, lambda: line(f"{port}: {number(gone, 'row')} discarded"))


def _row(row: QuarantinedRow) -> dict[str, object]:
    return {
        "id": row.id,
        "rule": row.rule,
        "reason": row.reason,
        "origin": row.origin,
        "batch": row.batch,
        "file": row.file,
        "line": row.line,
        "row": row.content,
        "at": row.at,
    }


def rollback(
    context: typer.Context,
    address: One,
    *,
    to: Annotated[str | None, typer.Option("--to", metavar="PUBLICATION", help="Default: the last that showed something else.")] = None,
    yes: Yes = False,
) -> None:
    """Publish an earlier state of a product again.

    It says first which publications and batches it withdraws, and asks.
    """
    from lakehouse.outbox import Courier
    from lakehouse.publish import verdict_of_then
    from lakehouse.rollback import plan_rollback
    from lakehouse.rollback import rollback as go_back
    from lakemesh import describe, runs, selection
    from lakemesh.render import line

    call, run_id = session(context), new_run_id()
    with call.open() as mesh:
        plan = plan_rollback(mesh, selection.product(mesh.declarations, address), to)
        _tell(plan)
        _confirm("roll back?", asked=not yes)
        started = time.monotonic()
        with Courier(mesh):
            made = go_back(mesh, plan, run_id)
        rules = {str(p.address): runs.rules(p) for p in verdict_of_then(mesh, made).ports}
    run = {
        "run_id": run_id,
        "address": str(plan.product.address),
        "outcome": "published",
        "publications": [made.id],
        "batches": [{"id": b.id, "name": b.name, "outcome": "withdrawn"} for b in plan.batches],
        "rows": 0,
        "quarantined": 0,
        "ports": [{**port, "rules": rules.get(str(port["address"]), [])} for port in describe.states(made)],
        "seconds": time.monotonic() - started,
        "warnings": [],
        "restores": plan.target.id,
        "withdrawn": [p.id for p in plan.withdrawn],
        "error": None,
    }
    call.answer({"runs": [run]}, lambda: line(f"{plan.product.address}: publication {made.id} shows {plan.target.id} again"))


def _tell(plan: RollbackPlan) -> None:
    """What a rollback withdraws, on stderr: it is no answer, it comes before one."""
    from lakemesh.render import text

    note(f"{plan.product.address} goes back to publication {plan.target.id} of {text(plan.target.at)}; withdrawn are")
    _lines([f"publication {p.id} ({p.kind}, {text(p.at)})" for p in plan.withdrawn])
    _lines([f"batch {b.id} ({b.name})" for b in plan.batches])


def _lines(words: Sequence[str]) -> None:
    for one in words:
        note(f"  {one}")


def _confirm(question: str, *, asked: bool) -> None:
    """Ask a person; a program has to say --yes."""
    from lakehouse.errors import WrongUse

    if not asked:
        return
    if not sys.stdin.isatty():
        raise WrongUse("nobody is there to be asked", hint="--yes goes on without a question; nothing was changed")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)
