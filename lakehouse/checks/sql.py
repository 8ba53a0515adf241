"""The gate's rules, evaluated by DuckDB alone. Next: `soda.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import duckdb

from lakehouse.checks.queries import NotOneNumber, measure_query, number, require_select, sample, total_query
from lakehouse.gate import Check, RuleResult, not_evaluated, result

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class SqlRunner:
    """One short query per check; a query that cannot be run leaves its rule not evaluated."""

    name = "sql"

    def run(self, connection: DuckDBPyConnection, checks: Sequence[Check]) -> Sequence[RuleResult]:
        totals: dict[str, int] = {}
        return [_evaluated(connection, check, totals) for check in checks]


def _evaluated(connection: DuckDBPyConnection, check: Check, totals: dict[str, int]) -> RuleResult:
    try:
        return _measured(connection, check, totals)
    except duckdb.InterruptException:
        raise
    except (duckdb.Error, NotOneNumber) as error:
        return not_evaluated(check.rule, f"{type(error).__name__}: {error}")


def _measured(connection: DuckDBPyConnection, check: Check, totals: dict[str, int]) -> RuleResult:
    if check.rule.query is not None:
        require_select(connection, check.rule.query)
    measured = number(connection.execute(measure_query(check)).fetchall())
    total = _total(connection, check, totals)
    found = result(check.rule, measured, total)
    return found if found.outcome == "passed" else result(check.rule, measured, total, sample(connection, check))


def _total(connection: DuckDBPyConnection, check: Check, totals: dict[str, int]) -> int:
    if check.relation not in totals:
        totals[check.relation] = int(number(connection.execute(total_query(check)).fetchall()))
    return totals[check.relation]
