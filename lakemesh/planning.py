"""What would the next run change? Declared contracts against published ones, and published rows against tighter rules.

Nothing is run or written. Next: `lakehouse/diff.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lakehouse.access import OPERATOR
from lakehouse.checks.sql import SqlRunner
from lakehouse.declare.contract import Contract, Scope
from lakehouse.declare.product import OutputPort, Product
from lakehouse.diff import Difference, diff
from lakehouse.gate import audit
from lakehouse.mesh import Mesh
from lakehouse.pins import pinned
from lakehouse.read import contract_of, decision_on, relation_of
from lakehouse.rules import gate_rules, row_rules
from lakehouse.store import PortState
from lakehouse.types import quote

Kind = Literal["new", "evolved", "breaking", "tightened"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One change; `impact` says whom or how much it concerns."""

    address: str
    kind: Kind
    impact: str
    detail: str


def plan(mesh: Mesh, products: Sequence[Product]) -> Iterator[Planned]:
    """Every change that a run of `products` would carry, or be stopped by."""
    for product in products:
        with pinned(mesh, {port.address: product.address for port in product.outputs}, f"plan of {product.address}") as pins:
            for port in product.outputs:
                yield from _port(mesh, port, pins[port.address].state if port.address in pins else None)


def _port(mesh: Mesh, port: OutputPort, state: PortState | None) -> Iterator[Planned]:
    if state is None:
        detail = f"{len(port.contract.columns)} columns, written by {port.write}"
        yield Planned(address=str(port.address), kind="new", impact="the next run makes it", detail=detail)
        return
    before = contract_of(mesh, state)
    change = diff(before, port.contract)
    if change.kind == "none":
        return
    yield _edit(mesh, port, before, change)
    if change.kind != "breaking" and change.tightened:
        yield from _broken(mesh, port, before, state)


def _edit(mesh: Mesh, port: OutputPort, before: Contract, change: Difference) -> Planned:
    sentences = [c.sentence for c in change.breaking or change.changes]
    if before.version == port.contract.version:
        sentences.append(f"the version is still {before.version}")
    if change.kind == "breaking":
        readers = [str(p.address) for p in mesh.declarations.products.values() if any(i.address == port.address for i in p.inputs)]
        hit = f"breaks {', '.join(readers)}" if readers else "no product of this mesh reads it"
        way_out = f"undo it, or declare {port.address}_v{before.major + 1} beside it"
        return Planned(address=str(port.address), kind="breaking", impact=hit, detail="; ".join([*sentences, way_out]))
    return Planned(address=str(port.address), kind="evolved", impact="travels with the next publication", detail="; ".join(sentences))


def _broken(mesh: Mesh, port: OutputPort, before: Contract, state: PortState) -> Iterator[Planned]:
    """How many published rows the new or tighter rules would refuse; the rules hold from the next batch."""
    published = _published(mesh, port, state, before)
    for rule, failing in (*_by_row_rules(mesh, port, before, published), *_by_gate_rules(mesh, port, before, published)):
        if failing:
            yield Planned(
                address=str(port.address),
                kind="tightened",
                impact=f"{failing:,.0f} of {state.total_rows:,} published rows break it",
                detail=f"{rule} holds from the next batch; what is published stays",
            )


def _published(mesh: Mesh, port: OutputPort, state: PortState, before: Contract) -> str:
    """The published rows with the columns of the contract as it is declared now; a new column is empty."""
    known = {c.name for c in before.columns}
    columns = [f"null::{c.type.duckdb} as {quote(c.name)}" if c.name not in known else quote(c.name) for c in port.contract.columns]
    return f"(select {', '.join(columns)} from {relation_of(mesh, state, decision_on(mesh, OPERATOR, state))})"


def _by_row_rules(mesh: Mesh, port: OutputPort, before: Contract, published: str) -> Iterator[tuple[str, float]]:
    old = {(r.name, r.predicate) for r in row_rules(before)}
    with mesh.connection() as connection:
        for rule in row_rules(port.contract):
            if (rule.name, rule.predicate) not in old:
                (count,) = connection.execute(f"select count(*) from {published} where not ({rule.predicate})").fetchall()[0]
                yield rule.name, count


def _by_gate_rules(mesh: Mesh, port: OutputPort, before: Contract, published: str) -> Iterator[tuple[str, float]]:
    """Foreign keys are left to the run: their targets are pinned only there."""
    old = set(map(repr, gate_rules(before, port.write)))
    new = [r for r in gate_rules(port.contract, port.write) if repr(r) not in old and r.to is None]
    with mesh.connection() as connection:
        found = audit(connection, new, _Published(published), {}, SqlRunner(), timeout=mesh.settings.checks.timeout)
    yield from ((r.rule, r.failing or 0) for r in found if r.outcome != "passed")


@dataclass(frozen=True, slots=True)
class _Published:
    """The published rows as the gate's dataset, whatever a rule's scope."""

    rows: str

    def relation(self, scope: Scope) -> str:
        return self.rows

    def others(self, columns: Sequence[str]) -> None:
        return None

    def count(self, scope: Scope) -> None:
        return None
