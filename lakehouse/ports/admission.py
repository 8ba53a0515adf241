"""Is this text a query over ports, and over which?

Next: `sql.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from lakehouse.address import Address
from lakehouse.errors import Damaged, MeshError, WrongUse
from lakehouse.syntax import FUNCTIONS, other_sources, own_tables, parsed, tables

REPAIR = "mesh verify names every damaged file; mesh rollback goes back to an earlier publication"
_NAMELESS = (duckdb.Error, duckdb.IOException, duckdb.InternalException, duckdb.FatalException)
"""What the engine raises where a file is damaged and it does not say which; what a query is to blame for has classes of its own."""


class QueryFailed(MeshError):
    """The engine could not compute a query that was admitted."""


class told:  # noqa: N801  a context manager, named as it reads
    """Say what the engine could not do in one sentence; and that one of the `files` that a query reads is damaged, if so."""

    def __init__(self, files: Sequence[str] = ()) -> None:
        self._files = files

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, duckdb.Error):
            first, *rest = str(error).strip().splitlines()
            damaged = next((file for file in self._files if file in first), None)
            if damaged is None and type(error) in _NAMELESS:
                damaged = next((file for file in self._files if not _is_whole(file)), None)
            if damaged:
                raise Damaged(first, place=damaged, hint=REPAIR) from error
            meant = next((line.strip() for line in rest if line.startswith(("Did you mean", "Candidate"))), "")
            raise QueryFailed(first, hint=meant or "mesh show domain.port lists a port's columns and types") from error


def _is_whole(file: str) -> bool:
    """Whether every page of a data file can be read, by another reader than the one that failed."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            for _ in opened.iter_batches():
                pass
    except (OSError, ValueError):
        return False
    return True


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
