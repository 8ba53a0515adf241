"""The gate's rules, evaluated by DuckDB alone. Next: `soda.py`."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from lakehouse.checks.queries import NotOneNumber, Totals, measure, measure_query, require_select, sample
from lakehouse.gate import Check, RuleResult, not_evaluated, result


class SqlRunner:
    """One short query per check; a query that cannot be run leaves its rule not evaluated."""

    name = "sql"

    def run(self, connection: duckdb.DuckDBPyConnection, checks: Sequence[Check]) -> Sequence[RuleResult]:
        totals = Totals(connection)
        return [_evaluated(connection, check, totals) for check in checks]


def _evaluated(connection: duckdb.DuckDBPyConnection, check: Check, totals: Totals) -> RuleResult:
    try:
        return _measured(connection, check, totals)
    except (duckdb.Error, NotOneNumber) as error:
        return not_evaluated(check.rule, f"{type(error).__name__}: {error}")


def _measured(connection: duckdb.DuckDBPyConnection, check: Check, totals: Totals) -> RuleResult:
    if check.rule.query is not None:
        require_select(connection, check.rule.query)
    measured = measure(connection, measure_query(check))
    total = totals.of(check)
    found = result(check.rule, measured, total)
    return found if found.outcome == "passed" else result(check.rule, measured, total, sample(connection, check))
