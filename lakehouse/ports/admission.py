"""Is this text a query over ports, and over which?

Next: `sql.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from lakehouse.address import Address
from lakehouse.damage import damage
from lakehouse.errors import MeshError, WrongUse
from lakehouse.syntax import FUNCTIONS, other_sources, own_tables, parsed, tables

_MEANS_NOTHING = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)
"""What the engine raises before it computes anything: a column, a function or a word that there is not."""


class QueryFailed(MeshError):
    """The engine could not compute a query that it understood."""


class told:  # noqa: N801  a context manager, named as it reads
    """Say in one sentence what the engine could not do: what it does not know is wrong use, and one of the `files` may be damaged."""

    def __init__(self, files: Sequence[str] = ()) -> None:
        self._files = files

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, duckdb.Error):
            if damaged := damage(error, self._files):
                raise damaged from error
            first, *rest = str(error).strip().splitlines()
            meant = next((line.strip() for line in rest if line.startswith(("Did you mean", "Candidate"))), "")
            kind = WrongUse if isinstance(error, _MEANS_NOTHING) else QueryFailed
            raise kind(first, hint=meant or "mesh show domain.port lists a port's columns and types") from error


def admit(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Address, ...]:
    """The ports that a query names, in order; WrongUse when it is anything but one query over ports."""
    with told():
        tree = parsed(connection, sql)
    if tree["error"]:
        raise _unreadable(tree)
    statements = tree["statements"]
    if not isinstance(statements, list) or len(statements) != 1:
        raise WrongUse("that is not one query", hint="write one SELECT")
    own = own_tables(tree)
    named = [_table(node, own) for node in tables(tree)]
    for name in other_sources(tree):
        raise WrongUse(f"{name} is not admitted in a query", hint=f"read ports by their addresses; {', '.join(sorted(FUNCTIONS))} are")
    return tuple(dict.fromkeys(address for address in named if address))


def _unreadable(tree: Mapping[str, object]) -> WrongUse:
    if tree.get("error_type") == "parser":
        return WrongUse(f"the query cannot be read: {tree['error_message']}", hint=f"look at character {tree.get('position', '0')}")
    return WrongUse("only a query is admitted", hint="write one SELECT over ports by their addresses")


def _table(node: Mapping[str, object], own: set[str]) -> Address | None:
    """The port that a table reference names; None for one of the query's own."""
    catalog, schema, table = (str(node.get(key) or "") for key in ("catalog_name", "schema_name", "table_name"))
    if not catalog and not schema and table.lower() in own and table.isidentifier():
        return None
    if catalog or not schema or node.get("at_clause"):
        name = ".".join(part for part in (catalog, schema, table) if part)
        raise WrongUse(f"{name!r} is no port", hint="name ports as domain.port, such as operations.flights; --as-of tells the time")
    return Address.parse(f"{schema}.{table}".lower())
