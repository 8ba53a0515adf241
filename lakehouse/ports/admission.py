"""Is this text a query over ports, and over which? Asked of DuckDB's own parser, so that both mean the same by it.

Next: `sql.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import duckdb

from lakehouse.address import Address
from lakehouse.errors import MeshError, WrongUse

_FUNCTIONS = frozenset(("unnest", "range", "generate_series"))
_SOURCES = frozenset(("SHOW_REF", "TABLE_FUNCTION", "COLUMN_DATA", "DELIM_GET"))


class QueryFailed(MeshError):
    """The engine could not compute a query that was admitted."""


class told:  # noqa: N801  a context manager, named as it reads
    """Say what the engine could not do in one sentence."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, duckdb.Error):
            first, *rest = str(error).strip().splitlines()
            meant = next((line.strip() for line in rest if line.startswith(("Did you mean", "Candidate"))), "")
            raise QueryFailed(first, hint=meant or "mesh show domain.port lists a port's columns and types") from error


def admit(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Address, ...]:
    """The ports that a query names, in order; WrongUse when it is anything but one query over ports."""
    with told():
        (found,) = connection.execute("select json_serialize_sql(?::varchar)", [sql]).fetchall()[0]
    tree = json.loads(found)
    if tree["error"]:
        raise _unreadable(tree)
    if len(tree["statements"]) != 1:
        raise WrongUse("that is not one query", hint="write one SELECT")
    own = {str(entry["key"]).lower() for node in _nodes(tree) for entry in _ctes(node)}
    named = [_table(node, own) for node in _nodes(tree) if node.get("type") == "BASE_TABLE" and "class" not in node]
    for node in _nodes(tree):
        _refuse_sources(node)
    return tuple(dict.fromkeys(address for address in named if address))


def _unreadable(tree: Mapping[str, object]) -> WrongUse:
    if tree.get("error_type") == "parser":
        return WrongUse(f"the query cannot be read: {tree['error_message']}", hint=f"look at character {tree.get('position', '0')}")
    return WrongUse("only a query is admitted", hint="write one SELECT over ports by their addresses")


def _nodes(value: object) -> Iterator[Mapping[str, object]]:
    """Every object of the syntax tree; iterative, because a query may nest deeply."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _ctes(node: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    known = node.get("cte_map")
    return known["map"] if isinstance(known, dict) else ()


def _table(node: Mapping[str, object], own: set[str]) -> Address | None:
    """The port that a table reference names; None for one of the query's own."""
    catalog, schema, table = (str(node.get(key) or "") for key in ("catalog_name", "schema_name", "table_name"))
    if not catalog and not schema and table.lower() in own and table.isidentifier():
        return None
    if catalog or not schema or node.get("at_clause"):
        name = ".".join(part for part in (catalog, schema, table) if part)
        raise WrongUse(f"{name!r} is no port", hint="name ports as domain.port, such as operations.flights; --as-of tells the time")
    return Address.parse(f"{schema}.{table}".lower())


def _refuse_sources(node: Mapping[str, object]) -> None:
    """Whatever else could bring rows into a query is refused: table functions, SHOW, DESCRIBE."""
    kind, function = str(node.get("type")), node.get("function")
    if "class" in node or kind not in _SOURCES:
        return
    name = str(function.get("function_name")) if isinstance(function, dict) else "SHOW or DESCRIBE"
    if name not in _FUNCTIONS:
        raise WrongUse(f"{name} is not admitted in a query", hint=f"read ports by their addresses; {', '.join(sorted(_FUNCTIONS))} are")
