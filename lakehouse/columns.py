"""Which input columns does an output column come from, and how is that known?

SQL is read by sqlglot, which is imported only then. A function is not read: a column comes from what the contract declares
(`transformSourceObjects`), else from the columns of its name. Without either, rows go through as they are. Next: `lineage/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from lakehouse.address import Address
from lakehouse.declare import Declarations
from lakehouse.declare.product import InputPort, OutputPort, Product

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.lineage import Node

Method = Literal["name", "declared", "sqlglot"]
Change = Literal["IDENTITY", "TRANSFORMATION", "AGGREGATION"]
_SOURCE = re.compile(r"""\{\{\s*source\(\s*['"](\w+)['"]\s*,\s*['"](\w+)['"]\s*\)\s*\}\}""")
_REF = re.compile(r"""\{\{\s*ref\(\s*['"](\w+)__(\w+)['"]\s*\)\s*\}\}""")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSource:
    """A column that an output column is computed from; `dataset` is the name of an input port or a sibling port.

    `certain` is false where a name alone points at several inputs; `change` is OpenLineage's subtype of a direct transformation.
    """

    dataset: str
    column: str
    method: Method
    change: Change
    certain: bool = True


Columns = Mapping[str, tuple[ColumnSource, ...]]
"""Output column -> where it comes from. A column of which nothing is known is not in it."""


def of_port(declarations: Declarations, product: Product, port: OutputPort, sql: str | None = None) -> Columns:
    """What the columns of `port` come from; `sql` is its model's compiled text, where it has one."""
    names = [column.name for column in port.contract.columns]
    readable = list(_readable(declarations, product, port))
    if port.name in product.models:
        return _of_model(names, readable, sql or "")
    if port.name in product.functions:
        read = product.functions[port.name].parameters
        silent = [column.name for column in port.contract.columns if not column.sources]
        return {**by_name(silent, {r.name: r.columns for r in readable if r.name in read}), **_declared(product, port)}
    return by_name(names, {r.name: r.columns for r in readable}, unchanged=not product.asset)


def _declared(product: Product, port: OutputPort) -> Columns:
    """What the contract says itself: the columns of inputs and siblings, which it calls by name or by address."""
    ports: list[InputPort | OutputPort] = [*product.inputs, *product.outputs]
    known = {str(p.address): p.name for p in ports if p.address} | {p.name: p.name for p in ports}
    found = {c.name: [source.rpartition(".") for source in c.sources] for c in port.contract.columns}
    return {
        name: tuple(ColumnSource(dataset=known[of], column=column, method="declared", change="TRANSFORMATION") for of, _, column in sources)
        for name, sources in ((name, [s for s in sources if s[0] in known]) for name, sources in found.items())
        if sources
    }


def by_name(columns: Sequence[str], inputs: Mapping[str, Sequence[str]], *, unchanged: bool = False) -> Columns:
    """Match columns with those of the inputs that bear the same name; of several such inputs none is certain."""
    change: Change = "IDENTITY" if unchanged else "TRANSFORMATION"
    found = {column: [name for name, has in inputs.items() if column in has] for column in columns}
    return {
        column: tuple(ColumnSource(dataset=n, column=column, method="name", change=change, certain=len(names) == 1) for n in names)
        for column, names in found.items()
        if names
    }


def of_sql(sql: str, tables: Mapping[str, Sequence[str]]) -> Columns:
    """Read a query in DuckDB's dialect. `tables` maps `schema.table` (or a bare name) to columns; catalogs are ignored.

    Empty when the query cannot be read: lineage then says nothing, and no run fails for it.
    """
    import sqlglot
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage

    schema = {name: dict.fromkeys(columns, "varchar") for name, columns in tables.items()}
    try:
        query = _flattened(sqlglot.parse_one(sql, dialect="duckdb"), tables)
        nodes = lineage(None, query, schema, dialect="duckdb")
    except (SqlglotError, ValueError, RecursionError):
        return {}
    found = {column: _sources(node, tables) for column, node in nodes.items()}
    return {column: sources for column, sources in found.items() if sources}


def plain_sql(model: str) -> str:
    """A dbt model's text with `source()` and `ref()` as addresses: enough to read it where nothing has been compiled."""
    return _REF.sub(r"\1.\2", _SOURCE.sub(r"\1.\2", model))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Readable:
    """What a transform can read, and under which names."""

    name: str
    address: Address
    columns: Sequence[str]

    @property
    def aliases(self) -> tuple[str, str, str]:
        """How SQL calls it: its name in the product, its address, its dbt model."""
        return (self.name, str(self.address), f"{self.address.domain}__{self.address.port}")


def _readable(declarations: Declarations, product: Product, port: OutputPort) -> Iterator[_Readable]:
    """The siblings and the input ports whose columns are declared."""
    for sibling in product.outputs:
        if sibling.name != port.name:
            yield _Readable(name=sibling.name, address=sibling.address, columns=[c.name for c in sibling.contract.columns])
    for read in product.inputs:
        if columns := _input_columns(declarations, read):
            yield _Readable(name=read.name, address=read.address or Address(product.address.domain, read.name), columns=columns)


def _input_columns(declarations: Declarations, read: InputPort) -> list[str]:
    contract = read.expected
    if read.address:
        contract = next((port.contract for _, port in declarations.ports() if port.address == read.address), None)
    return [column.name for column in contract.columns] if contract else []


def _of_model(names: Sequence[str], readable: Sequence[_Readable], sql: str) -> Columns:
    """The SQL's own names for what it reads become the names of ports."""
    ports = {alias: r for r in readable for alias in r.aliases}
    found = of_sql(sql, {alias: r.columns for alias, r in ports.items()})
    return {name: tuple(replace(s, dataset=ports[s.dataset].name) for s in found[name]) for name in names if name in found}


def _flattened(query: exp.Expr, tables: Mapping[str, Sequence[str]]) -> exp.Expr:
    """Give every known table a name of one part: sqlglot wants one nesting level for all."""
    from sqlglot import exp

    for table in list(query.find_all(exp.Table)):
        name = _table_name(table)
        if name in tables and (table.db or not _is_cte(table)):
            alias = table.alias_or_name
            table.set("this", exp.to_identifier(name, quoted=True))
            table.set("db", None)
            table.set("catalog", None)
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
    return query


def _table_name(table: exp.Table) -> str:
    """A dbt model stands in any schema, under a name with two underscores; all else is read by its address."""
    name = table.name.lower()
    return f"{table.db.lower()}.{name}" if table.db and "__" not in name else name


def _is_cte(table: exp.Table) -> bool:
    from sqlglot import exp

    root = table.root()
    return any(cte.alias_or_name.lower() == table.name.lower() for cte in root.find_all(exp.CTE))


def _sources(node: Node, tables: Mapping[str, Sequence[str]]) -> tuple[ColumnSource, ...]:
    """The columns of tables below a node, each once and with the strongest change on a way to it, in a stable order."""
    from sqlglot import exp

    strongest: dict[tuple[str, str], Change] = {}
    seen: set[tuple[int, Change]] = set()
    waiting: list[tuple[Node, Change]] = [(node, "IDENTITY")]
    while waiting:
        at, change = waiting.pop()
        if (id(at), change) in seen:
            continue
        seen.add((id(at), change))
        if not isinstance(at.expression, exp.Table):
            stronger = _stronger(change, _change(at.expression))
            waiting += [(below, stronger) for below in at.downstream]
        elif at.expression.name in tables:
            key = (at.expression.name, at.name.rpartition(".")[2].strip('"'))
            strongest[key] = _stronger(change, strongest.get(key, change))
    return tuple(ColumnSource(dataset=d, column=c, method="sqlglot", change=strongest[d, c]) for d, c in sorted(strongest))


def _change(expression: exp.Expr) -> Change:
    from sqlglot import exp

    inner = expression.unalias()
    if isinstance(inner, exp.Column):
        return "IDENTITY"
    return "AGGREGATION" if inner.find(exp.AggFunc) else "TRANSFORMATION"


def _stronger(one: Change, other: Change) -> Change:
    order: tuple[Change, ...] = ("IDENTITY", "TRANSFORMATION", "AGGREGATION")
    return max(one, other, key=order.index)
