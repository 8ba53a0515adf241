"""What does a mesh declare, and can each of its rules be judged? Contracts -> rules, and their SQL against the contract's columns.

`declare/` reads what was written; here it meets the rules and an engine, on no rows: what would fail in a run is a problem of the
declaration. Next: `mesh.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import duckdb

from lakehouse import declare
from lakehouse.declare import Declarations
from lakehouse.declare.contract import Contract, QualityRule
from lakehouse.errors import Problem
from lakehouse.rules import rule_problems
from lakehouse.rules.rows import expression_rule, placed
from lakehouse.types import quote

_ROWS = quote("no rows")


def load(root: Path) -> Declarations:
    """All that a mesh declares; a product with a rule that cannot be judged is broken, as one with any other error."""
    found, engine = declare.load(root), _Engine()
    wrong = {
        product.address: problems
        for product in found.products.values()
        if (problems := [p for port in product.outputs for p in (rule_problems(port.contract) or engine.problems(port.contract))])
    }
    if not wrong:
        return found
    return replace(
        found,
        products={address: product for address, product in found.products.items() if address not in wrong},
        problems=tuple(sorted({*found.problems, *(p for problems in wrong.values() for p in problems)})),
        broken=found.broken | wrong.keys(),
    )


class _Engine:
    """A DuckDB that can open no file, made when the first rule in SQL is met."""

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        connection.execute("set enable_external_access = false; set lock_configuration = true")
        return connection

    def problems(self, contract: Contract) -> Iterator[Problem]:
        """What of a contract's SQL means nothing over its columns."""
        rules = [r for r in contract.quality if r.kind == "sql"]
        if rules:
            columns = ", ".join(f"{quote(c.name)} {c.type.duckdb}" for c in contract.columns)
            self._connection.execute(f"create or replace table {_ROWS} ({columns})")
        for rule in rules:
            try:
                self._explain(_query(rule))
            except duckdb.Error as error:
                said = str(error).strip().splitlines()[0]
                hint = "write it over the contract's columns, in DuckDB's SQL; ${table} stands for the rows"
                yield Problem(file=rule.place.file, line=rule.place.line, path=rule.place.path, message=said, hint=hint)

    def _explain(self, query: str) -> None:
        statements = self._connection.extract_statements(query)
        if [s.type for s in statements] != [duckdb.StatementType.SELECT]:
            raise duckdb.Error("that is not one SELECT")
        self._connection.execute(f"explain {query}")


def _query(rule: QualityRule) -> str:
    if rule.row_expression is not None:
        return f"select 1 from {_ROWS} where not {expression_rule(rule).predicate}"
    return placed(rule, rule.query or "").replace("${table}", _ROWS).replace("${object}", _ROWS)
