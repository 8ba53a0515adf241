"""What does a query read? Asked of DuckDB's own parser, so that both mean the same by it.

Next: `ports/admission.py` and `checks/queries.py`, which admit queries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

Tree = Mapping[str, object]
FUNCTIONS = frozenset(("unnest", "range", "generate_series"))
"""The functions that may stand where a table stands: they make rows and read none."""
_SOURCES = frozenset(("SHOW_REF", "TABLE_FUNCTION", "COLUMN_DATA", "DELIM_GET"))


def parsed(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, object]:
    """The syntax tree of a text: `error` tells whether it is one, `statements` holds what it says."""
    ((found,),) = connection.execute("select json_serialize_sql(?::varchar)", [sql]).fetchall()
    tree: dict[str, object] = json.loads(found)
    return tree


def nodes(value: object) -> Iterator[Tree]:
    """Every object of a syntax tree; iterative, because a query may nest deeply."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def own_tables(tree: Tree) -> set[str]:
    """The tables that a query makes itself, in lower case: its common table expressions."""
    return {str(entry["key"]).lower() for node in nodes(tree) for entry in _ctes(node)}


def _ctes(node: Tree) -> Sequence[Tree]:
    known = node.get("cte_map")
    return known["map"] if isinstance(known, dict) else ()


def tables(tree: Tree) -> Iterator[Tree]:
    """The references to tables: `catalog_name`, `schema_name`, `table_name`."""
    return (node for node in nodes(tree) if node.get("type") == "BASE_TABLE" and "class" not in node)


def other_sources(tree: Tree) -> Iterator[str]:
    """Whatever else could bring rows into a query, by name: table functions that are not `FUNCTIONS`, SHOW, DESCRIBE."""
    for node in nodes(tree):
        if "class" in node or str(node.get("type")) not in _SOURCES:
            continue
        function = node.get("function")
        name = str(function.get("function_name")) if isinstance(function, dict) else "SHOW or DESCRIBE"
        if name not in FUNCTIONS:
            yield name
