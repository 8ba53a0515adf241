"""What a person asks of one port, as a query: its rows, their changes, or what a rejected batch staged.

Next: `lakehouse/ports/sql.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse import batches
from lakehouse.access import Principal
from lakehouse.address import Address
from lakehouse.declare.findings import suggestion
from lakehouse.declare.product import OutputPort
from lakehouse.errors import WrongUse
from lakehouse.mesh import Mesh
from lakehouse.ports.changes import CHANGE, changes, staged
from lakehouse.ports.sql import Answer, moment, query
from lakehouse.read import state_at
from lakehouse.types import quote
from lakemesh.session import new_run_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Some rows and columns of a port, for somebody."""

    port: OutputPort
    columns: tuple[str, ...] = ()
    where: str | None = None
    principal: Principal
    purpose: str | None = None

    @property
    def address(self) -> Address:
        return self.port.address


def select(port: Address, columns: Sequence[str], where: str | None) -> str:
    """A port's rows as a query; no columns: all. The line break keeps a comment in `where` from hiding the bracket."""
    listed = ", ".join(map(quote, columns)) or "*"
    return f"select {listed} from {quote(port.domain)}.{quote(port.port)}" + (f" where ({where}\n)" if where else "")


def known(columns: Sequence[str], port: OutputPort) -> tuple[str, ...]:
    """The columns, each of which the port has; WrongUse otherwise."""
    there = [c.name for c in port.contract.columns]
    for name in columns:
        if name not in there:
            raise WrongUse(f"{port.address} has no column {name!r}", hint=suggestion(name, there))
    return tuple(columns)


def rows_of(mesh: Mesh, rows: Rows, as_of: str | None) -> Answer:
    """The rows as they are, or as they were."""
    sql = select(rows.address, rows.columns, rows.where)
    when = moment(as_of) if as_of else None
    return query(mesh, rows.principal, sql, run_id=new_run_id(), purpose=rows.purpose, as_of=when)


def changes_of(mesh: Mesh, rows: Rows, since: str, until: str | None, *, both: bool) -> Answer:
    """What came between two moments; with `both` also what went, and which is which."""
    before = state_at(mesh, rows.address, moment(since))
    after = state_at(mesh, rows.address, moment(until) if until else None)
    names = rows.columns or tuple(c.name for c in rows.port.contract.columns)
    kept = f"{CHANGE} = 'insert'"
    condition = rows.where if both else f"{kept} and ({rows.where}\n)" if rows.where else kept
    sql = select(rows.address, (*([CHANGE] if both else []), *names), condition)
    return changes(mesh, rows.principal, sql, before, after, run_id=new_run_id(), purpose=rows.purpose)


def staged_of(mesh: Mesh, rows: Rows, batch: str) -> Answer:
    """The rows that a rejected batch staged."""
    found = batches.find(mesh.store, mesh.declarations.producer(rows.address), batch)
    return staged(mesh, rows.principal, select(rows.address, rows.columns, rows.where), rows.port, found, purpose=rows.purpose)
