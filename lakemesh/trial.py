"""Does a product do what its examples say? Given rows -> transform -> cast, row rules and gate -> expected rows, in memory.

An example is a handful of rows, of which it names what matters: rules about how much arrives, or about columns that it does not
name, are not judged. Next: `matching.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb

from lakehouse.address import Address
from lakehouse.checks.sql import SqlRunner
from lakehouse.declare import Declarations
from lakehouse.declare.contract import Column, Contract, Scope
from lakehouse.declare.product import OutputPort, Product
from lakehouse.errors import MeshError
from lakehouse.gate import audit
from lakehouse.mesh import Mesh
from lakehouse.rules import GateRule, gate_rules, row_rules
from lakehouse.types import ListOf, MapOf, StructOf, literal, quote
from lakemesh.examples import Example, Row, Suite, read
from lakemesh.matching import difference
from orchestration.loading import load_transform
from orchestration.transforms import Bound, Transform


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one example; `difference` has a line for each thing that is not as expected."""

    address: Address
    name: str
    outcome: Literal["passed", "failed"]
    difference: tuple[str, ...] = ()


def trials(mesh: Mesh, products: Sequence[Product]) -> Iterator[Verdict]:
    """Run all examples of `products`; one without any gives no verdict."""
    for product in products:
        suite = read(product, mesh.settings.root, contracts_of_inputs(mesh.declarations, product))
        if suite is not None:
            yield from of_suite(mesh, suite)


def of_suite(mesh: Mesh, suite: Suite) -> Iterator[Verdict]:
    """Run a product's examples; a file that cannot be read is one failure."""
    address = suite.product.address
    if suite.problems:
        yield Verdict(address=address, name="examples.yaml", outcome="failed", difference=tuple(map(str, suite.problems)))
        return
    try:
        transform = load_transform(mesh, suite.product)
    except MeshError as error:
        yield Verdict(address=address, name="transform", outcome="failed", difference=(str(error),))
        return
    for example in suite.examples:
        found = tuple(_run(mesh, suite.product, transform, example))
        yield Verdict(address=address, name=example.name, outcome="failed" if found else "passed", difference=found)


def contracts_of_inputs(declarations: Declarations, product: Product) -> dict[str, Contract]:
    """What the rows of each input port look like."""
    ports = {port.address: port.contract for _, port in declarations.ports()}
    found = {i.name: i.expected or (ports.get(i.address) if i.address else None) for i in product.inputs}
    return {name: contract for name, contract in found.items() if contract}


def _run(mesh: Mesh, product: Product, transform: Transform, example: Example) -> Iterator[str]:
    """What is not as the example says."""
    with duckdb.connect() as connection:
        connection.execute("set global TimeZone = 'UTC'")
        trial = _Trial(mesh, product, connection, example)
        try:
            trial.give()
            for port in product.outputs:
                trial.make(port, transform)
            for port in product.outputs:
                yield from trial.differences(port)
                yield from trial.broken(port)
        except MeshError as error:
            yield str(error)
        except duckdb.Error as error:
            yield str(error).splitlines()[0]


class _Trial:
    """One example on a DuckDB of its own: a table for each port, under its name."""

    def __init__(self, mesh: Mesh, product: Product, connection: duckdb.DuckDBPyConnection, example: Example) -> None:
        self.mesh, self.product, self.connection, self.example = mesh, product, connection, example
        self.inputs = contracts_of_inputs(mesh.declarations, product)
        self.bound = Bound(connection=connection, relation=quote, limit_rows=mesh.settings.engine.materialise_rows)
        self.named = {name for rows in (*example.given.values(), *example.expect.values()) for row in rows for name in row}
        self.aside: dict[str, list[str]] = {}

    def give(self) -> None:
        """Every input port becomes a table, an empty one where nothing is given."""
        for name, contract in self.inputs.items():
            self.connection.execute(f"create table {quote(name)} as {_typed(contract, self.example.given.get(name, []))}")

    def make(self, port: OutputPort, transform: Transform) -> None:
        """The rows that the port would show; what breaks a row rule is set aside."""
        rules = [r for r in row_rules(port.contract) if r.column is None or r.column in self.named]
        casts = ", ".join(f"cast({quote(c.name)} as {c.type.duckdb}) as {quote(c.name)}" for c in port.contract.columns)
        table = quote(port.name)
        self.connection.execute(f"create table {table} as select {casts} from {transform.rows(port, self.bound)}")
        for rule in rules:
            gone = self.connection.execute(f"delete from {table} where not ({rule.predicate}) returning 1").fetchall()
            self.aside.setdefault(port.name, []).extend([rule.name] * len(gone))

    def differences(self, port: OutputPort) -> Iterator[str]:
        """What is not as expected, and the rules that took rows away."""
        if port.name in self.example.expect:
            found = difference(port.name, self._expected(port, self.example.expect[port.name]), self.rows(quote(port.name)))
            yield from found
            yield from (f"{port.name}: a row was set aside by {rule}" for rule in self.aside.get(port.name, ()) if found)

    def rows(self, relation: str) -> list[dict[str, object]]:
        cursor = self.connection.execute(f"from {relation}")
        names = [d[0] for d in cursor.description or ()]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]

    def _expected(self, port: OutputPort, rows: list[Row]) -> list[dict[str, object]]:
        """The expected rows in the contract's types, each with the columns that it names."""
        typed = self.rows(f"({_typed(port.contract, rows)})")
        return [{name: row[name] for name in named} for named, row in zip(rows, typed, strict=True)]

    def broken(self, port: OutputPort) -> Iterator[str]:
        """The rules of the gate that these rows would break."""
        targets = self._targets(port)
        rules = [r for r in gate_rules(port.contract, port.write) if self._judged(r) and (r.to is None or r.to in targets)]
        for found in audit(self.connection, rules, _Rows(port), targets, SqlRunner(), timeout=self.mesh.settings.checks.timeout):
            if found.blocks:
                yield f"{port.name}: rule {found.rule}: {found.message}"

    def _judged(self, rule: GateRule) -> bool:
        return rule.metric != "rowCount" and rule.unit == "rows" and set(rule.columns) <= self.named

    def _targets(self, port: OutputPort) -> dict[Address, str]:
        given = {i.address: quote(i.name) for i in self.product.inputs if i.address}
        return given | {o.address: quote(o.name) for o in self.product.outputs if o is not port}


@dataclass(frozen=True, slots=True)
class _Rows:
    """The example's rows as the gate's dataset: batch, partitions and port are the same."""

    port: OutputPort

    def relation(self, scope: Scope) -> str:
        return quote(self.port.name)

    def others(self, columns: Sequence[str]) -> None:
        return None

    def count(self, scope: Scope) -> None:
        return None


def _typed(contract: Contract, rows: Sequence[Row]) -> str:
    """Rows as a query in the contract's types; what a row does not name is NULL."""
    values = ", ".join(f"({number}, {literal(json.dumps(row))}::json)" for number, row in enumerate(rows)) or "(0, '{}'::json)"
    columns = ", ".join(f"{_value(c)}::{c.type.duckdb} as {quote(c.name)}" for c in contract.columns)
    return f"select {columns} from (values {values}) given(number, row) where {str(bool(rows)).lower()} order by number"


def _value(column: Column) -> str:
    path = literal(f'$."{column.name}"')
    return f"(row->{path})" if isinstance(column.type, ListOf | MapOf | StructOf) else f"(row->>{path})"
