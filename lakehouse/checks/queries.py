"""What is measured: a check -> the query that gives its number, and a few of the rows behind it.

A short query for each check: DuckDB skips row groups by each one's own condition, which one wide pass over all would lose.
Next: `sql.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from lakehouse.declare.contract import Scalar
from lakehouse.gate import Check
from lakehouse.syntax import Tree, other_sources, own_tables, parsed, tables
from lakehouse.types import quote

if TYPE_CHECKING:
    import duckdb

SAMPLE_ROWS = 5
MANY_ROWS = 100_000
_SCOPE = '"rows_in_scope"'


class NotOneNumber(ValueError):
    """A rule's query that does not say one number."""


def total_query(check: Check) -> str:
    """How many rows are in scope."""
    return f"select count(*) from {check.relation} as r"


def measure_query(check: Check) -> str:
    """One row with one number: how many rows fail, or what the rule is about."""
    match check.rule.metric:
        case "rowCount":
            return total_query(check)
        case "sql":
            return _own_query(check)
        case "duplicateValues":
            return _duplicates(check)
        case _:
            return f"select count(*) from {failing(check)}"


def require_select(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Raise NotOneNumber unless `query` is a single SELECT over the rows in scope and nothing else, by DuckDB's own parser."""
    tree = parsed(connection, query.replace("${table}", _SCOPE).replace("${object}", _SCOPE))
    if tree["error"]:
        raise NotOneNumber(f"the query is no SELECT: {tree.get('error_message', '')}")
    statements = tree["statements"]
    if not isinstance(statements, list) or len(statements) != 1:
        raise NotOneNumber("the query is more than one statement")
    known = {*own_tables(tree), _SCOPE.strip('"')}
    others = [_named(node) for node in tables(tree) if _named(node).lower() not in known]
    for name in (*others, *other_sources(tree)):
        raise NotOneNumber(f"the query reads {name}; a rule judges the rows in scope, ${{table}}, alone")


def _named(table: Tree) -> str:
    parts = (str(table.get(key) or "") for key in ("catalog_name", "schema_name", "table_name"))
    return ".".join(part for part in parts if part)


def number(value: object) -> float:
    """What a measuring query answered, whole numbers as such; NotOneNumber when it is none to compare with."""
    if not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        raise NotOneNumber(f"the query gave {value}, which is no number to compare with")
    return int(value) if value == int(value) else float(value)


def measure(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    rows = connection.execute(query).fetchall()
    return number(rows[0][0] if rows else None)


class Totals:
    """How many rows each relation has: as the check knows, or counted once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._counted: dict[str, int] = {}

    def of(self, check: Check) -> int:
        if check.total is not None:
            return check.total
        if check.relation not in self._counted:
            self._counted[check.relation] = int(measure(self._connection, total_query(check)))
        return self._counted[check.relation]


def sample(connection: duckdb.DuckDBPyConnection, check: Check) -> tuple[Mapping[str, Scalar], ...]:
    """A few failing rows, always the same ones: their key and the rule's columns. A rule about a number has none."""
    if check.rule.metric in ("rowCount", "sql"):
        return ()
    duplicates = check.rule.metric == "duplicateValues"
    columns = check.rule.columns if duplicates else tuple(dict.fromkeys((*check.rule.key, *check.rule.columns)))
    source = _repeated(check) if duplicates else failing(check)
    listed, row = ", ".join(f"r.{quote(name)}" for name in columns), quote(_unused(columns))
    rows = connection.execute(
        f"select to_json({row}) from (select distinct {listed} from {source} order by all limit {SAMPLE_ROWS}) as {row}"
    ).fetchall()
    return tuple({name: _scalar(value) for name, value in json.loads(text).items()} for (text,) in rows)


def _scalar(value: object) -> Scalar:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float | bool) else json.dumps(value)


def _own_query(check: Check) -> str:
    text = (check.rule.query or "").replace("${table}", _SCOPE).replace("${object}", _SCOPE)
    # The line break keeps a trailing `--` comment from swallowing the bracket.
    return f"with {_SCOPE} as not materialized (select * from {check.relation} as r) select ({text}\n)::double"


def failing(check: Check) -> str:
    """`<table> as r … where`: the rows that fail by themselves or by finding no partner."""
    if check.rule.metric != "foreignKey":
        return f"{check.relation} as r where {check.rule.condition}"
    pairs = zip(check.rule.columns, check.rule.to_columns, strict=True)
    on = " and ".join(f"r.{quote(ours)} = t.{quote(theirs)}" for ours, theirs in pairs)
    return f"{check.relation} as r anti join {check.target} as t on {on} where {_given(check)}"


def _given(check: Check) -> str:
    """A key with a NULL in it equals none and points nowhere."""
    return " and ".join(f"r.{quote(name)} is not null" for name in check.rule.columns)


def _grouped(check: Check, *, only_if: str = "true") -> str:
    keys = ", ".join(f"r.{quote(name)}" for name in check.rule.columns)
    count = f"count(*) as {quote(_unused(check.rule.columns))}"
    return f"select {keys}, {count} from {check.relation} as r where {_given(check)} and {only_if} group by {keys}"


def _unsorted(check: Check) -> str:
    """Whether a key is not greater than the one before it: keys that only rise are unique, and need not be grouped to see it.

    One look over the rows, ended by the first such key; for few rows it would cost more to plan than it saves.
    """
    if check.total is None or check.total < MANY_ROWS:
        return "true"
    key = ", ".join(f"r.{quote(name)}" for name in check.rule.columns)
    pairs = f"select k, lag(k) over () as before from (select row({key}) as k from {check.relation} as r where {_given(check)})"
    return f"exists (from ({pairs}) where k <= before)"


def _unused(columns: tuple[str, ...]) -> str:
    """A name that none of the columns has."""
    return "n" + "_" * max(map(len, columns))


def _matching(check: Check) -> str:
    return " and ".join(f"k.{quote(name)} = o.{quote(name)}" for name in check.rule.columns)


def _duplicates(check: Check) -> str:
    """How many rows repeat a key: all of a key's rows but the first, which may stand among the others."""
    repeated = f"coalesce(sum({quote(_unused(check.rule.columns))} - 1), 0)"
    if check.others is None:
        return f"select {repeated} from ({_grouped(check, only_if=_unsorted(check))})"
    return (
        f"with k as ({_grouped(check)}) "
        f"select (select {repeated} from k) + (select count(*) from k semi join {check.others} as o on {_matching(check)})"
    )


def _repeated(check: Check) -> str:
    """The keys that occur more than once."""
    twice = f"{quote(_unused(check.rule.columns))} > 1"
    if check.others is None:
        return f"({_grouped(check)}) as r where {twice}"
    return (
        f"(with k as ({_grouped(check)}) select * from k where {twice} "
        f"union all select * from k semi join {check.others} as o on {_matching(check)}) as r"
    )
