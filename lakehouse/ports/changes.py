"""What changed in a port between two publications, and what a rejected batch would have brought; both as a query.

Rows are compared whole and counted: a row that changed is one that went and one that came. Next: `sql.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from lakehouse.access import Decision, Principal, decide
from lakehouse.address import Address
from lakehouse.declare.product import OutputPort
from lakehouse.mesh import Mesh
from lakehouse.pins import kept
from lakehouse.ports.sql import Answer, Shown, ask, local_files
from lakehouse.read import decision_on, only_in, rejected_rows
from lakehouse.scan import local_path
from lakehouse.store import Batch, PortState, Publication

Showing = tuple[Publication, PortState]
"""What a port showed, and in which publication."""
CHANGE = "_change"
"""The column that says what became of a row: insert or delete."""


def changes(
    mesh: Mesh, principal: Principal, sql: str, before: Showing, after: Showing, *, run_id: str, purpose: str | None = None
) -> Answer:
    """A query over a port that shows the rows which came and went between two of its states, told apart by `_change`."""
    (first, old), (last, new) = before, after

    def show(_ports: Sequence[Address], held: ExitStack) -> dict[Address, Shown]:
        held.enter_context(kept(mesh, {first.id, last.id}, run_id))
        decision = decision_on(mesh, principal, new, purpose=purpose)
        return {new.address: Shown(relation=_net(mesh, old, new, decision), files=(*local_files(mesh, old), *local_files(mesh, new)))}

    return ask(mesh, sql, show)


def _net(mesh: Mesh, before: PortState, after: PortState, decision: Decision) -> str:
    old, new = only_in(mesh, before, after, decision), only_in(mesh, after, before, decision)
    came = f"select 'insert' as {CHANGE}, * from (from {new} except all from {old})"
    went = f"select 'delete' as {CHANGE}, * from (from {old} except all from {new})"
    return f"({came} union all {went})"


def staged(mesh: Mesh, principal: Principal, sql: str, port: OutputPort, batch: Batch, *, purpose: str | None = None) -> Answer:
    """A query over a port that shows the rows which a rejected batch staged for it."""
    decision = decide(principal, purpose, port.contract, now=mesh.now())
    files = tuple(map(local_path, (batch.staged or {}).get(str(port.address), ())))
    shown = Shown(relation=rejected_rows(mesh, batch, port.address, decision), files=files)
    return ask(mesh, sql, lambda _ports, _held: {port.address: shown})
