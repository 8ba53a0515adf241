"""What does a port or a column come from, and what comes from it? A mesh's declarations as a graph.

Pure: from declarations and the text of SQL products, nothing is run. Next: `lakehouse/columns.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from lakehouse import columns
from lakehouse.address import Address
from lakehouse.columns import ColumnSource
from lakehouse.declare import Declarations
from lakehouse.declare.product import InputPort, OutputPort, Product
from lakehouse.errors import WrongUse

Direction = Literal["up", "down"]
SqlOf = Callable[[Product, OutputPort], str | None]
"""The SQL of a port that has a model: compiled, or by `columns.plain_sql`; else None."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Node:
    """A port, a source or a column of one. `id` is `domain.port`, `domain.product/source`, either with `.column` behind."""

    id: str
    kind: Literal["port", "source", "column"]
    name: str
    product: str
    column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`target` is computed from `source`. For columns: by which method that is known, what is done, and whether it is certain."""

    source: str
    target: str
    method: str | None = None
    change: str | None = None
    certain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Nodes and edges, each once, in a stable order."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def graph(
    declarations: Declarations,
    address: Address,
    *,
    column: str | None = None,
    direction: Direction | None = None,
    depth: int | None = None,
    sql: SqlOf,
) -> Graph:
    """What is `depth` steps up or down (both, and all, by default) from a port, or from one of its columns.

    Raises WrongUse for an address or a column that is not declared.
    """
    if column:
        near = graph(declarations, address, direction=direction, depth=depth, sql=sql)
        whole = list(_column_steps(declarations, sql, {node.id for node in near.nodes}))
    else:
        whole = list(_port_steps(declarations, sql))
    nodes = {node.id: node for step in whole for node in (step.source, step.target)}
    start = _start(declarations, address, column)
    found: set[Edge] = set()
    for way in ("up", "down") if direction is None else (direction,):
        found |= set(_walk(whole, start.id, way, depth))
    ids = {start.id} | {id for edge in found for id in (edge.source, edge.target)}
    return Graph(nodes=tuple(sorted((nodes | {start.id: start})[id] for id in ids)), edges=tuple(sorted(found, key=_order)))


@dataclass(frozen=True, slots=True)
class _Step:
    source: Node
    target: Node
    found: ColumnSource | None = None

    @property
    def edge(self) -> Edge:
        if self.found is None:
            return Edge(source=self.source.id, target=self.target.id)
        found = self.found
        return Edge(source=self.source.id, target=self.target.id, method=found.method, change=found.change, certain=found.certain)


def _order(edge: Edge) -> tuple[str, str]:
    return edge.source, edge.target


def _start(declarations: Declarations, address: Address, column: str | None) -> Node:
    product = declarations.producer(address)
    port = next(p for p in product.outputs if p.address == address)
    if column and all(c.name != column for c in port.contract.columns):
        raise WrongUse(f"{address} has no column {column!r}", hint="it has " + ", ".join(c.name for c in port.contract.columns))
    return _of_column(_of_port(product, port), column) if column else _of_port(product, port)


def _walk(steps: Iterable[_Step], start: str, way: Direction, depth: int | None) -> Iterator[Edge]:
    """Breadth first, so that each node is left at its least distance."""
    beside: dict[str, list[tuple[str, Edge]]] = {}
    for step in steps:
        here, there = (step.target.id, step.source.id) if way == "up" else (step.source.id, step.target.id)
        beside.setdefault(here, []).append((there, step.edge))
    seen, rim = {start}, [start]
    while rim and (depth is None or depth > 0):
        depth = None if depth is None else depth - 1
        reached = [(there, edge) for here in rim for there, edge in beside.get(here, ())]
        yield from (edge for _, edge in reached)
        rim = list(dict.fromkeys(there for there, _ in reached if there not in seen))
        seen.update(rim)


def _port_steps(declarations: Declarations, sql: SqlOf) -> Iterator[_Step]:
    for product, port in declarations.ports():
        for read in _read(product, port, sql):
            if node := _of_name(declarations, product, read):
                yield _Step(node, _of_port(product, port))


def _column_steps(declarations: Declarations, sql: SqlOf, ports: set[str]) -> Iterator[_Step]:
    """Steps into the columns of `ports` only: reading SQL costs."""
    for product, port in declarations.ports():
        if str(port.address) not in ports:
            continue
        for column, sources in columns.of_port(declarations, product, port, sql(product, port)).items():
            for found in sources:
                if node := _of_name(declarations, product, found.dataset):
                    yield _Step(_of_column(node, found.column), _of_column(_of_port(product, port), column), found)


def _read(product: Product, port: OutputPort, sql: SqlOf) -> tuple[str, ...]:
    """The names of what a port is computed from: its function's parameters, else every input port and what its SQL refers to."""
    if port.name in product.functions:
        return tuple(product.functions[port.name].parameters)
    inputs = tuple(i.name for i in product.inputs)
    text = sql(product, port) or ""
    siblings = (o for o in product.outputs if o.name != port.name)
    return inputs + tuple(o.name for o in siblings if str(o.address) in text or f"{o.address.domain}__{o.name}" in text)


def _of_name(declarations: Declarations, product: Product, name: str) -> Node | None:
    """The node of an input port or a sibling; None when the port it names is not declared."""
    for read in product.inputs:
        if read.name == name:
            return _of_input(declarations, product, read)
    return next((_of_port(product, port) for port in product.outputs if port.name == name), None)


def _of_input(declarations: Declarations, product: Product, read: InputPort) -> Node | None:
    if read.address is None:
        return Node(id=f"{product.address}/{read.name}", kind="source", name=read.name, product=str(product.address))
    return next((_of_port(producer, port) for producer, port in declarations.ports() if port.address == read.address), None)


def _of_port(product: Product, port: OutputPort) -> Node:
    return Node(id=str(port.address), kind="port", name=str(port.address), product=str(product.address))


def _of_column(of: Node, column: str) -> Node:
    return Node(id=f"{of.id}.{column}", kind="column", name=of.name, product=of.product, column=column)
