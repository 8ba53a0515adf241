"""A contract -> the rules that its data must keep: row rules set rows aside, gate rules stop a batch.

Pure: no engine is imported; predicates are DuckDB SQL text. Next: `gate.py` evaluates gate rules, `write.py` splits by row rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lakehouse.address import Address
from lakehouse.declare.contract import Contract, Operator, Scalar, Scope
from lakehouse.declare.product import Write
from lakehouse.errors import Severity

Metric = Literal["nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount", "sql", "foreignKey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRule:
    """`predicate` over the port's columns (already of the contract's types): false sets the row aside, true and NULL pass."""

    name: str
    column: str | None
    predicate: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRule:
    """A statement about many rows, judged in `scope` before they are visible.

    `failing` of a rule is what `operator` compares with `threshold`: a count of rows (values), or a share of them with unit
    percent; for `rowCount` and `sql` the number itself.
    """

    name: str
    metric: Metric
    columns: tuple[str, ...] = ()
    arguments: Mapping[str, object] = field(default_factory=dict)
    query: str | None = None
    to: Address | None = None
    to_columns: tuple[str, ...] = ()
    operator: Operator = "mustBe"
    threshold: Scalar | tuple[float, float] = 0
    unit: Literal["rows", "percent"] = "rows"
    severity: Severity = "error"
    scope: Scope = "batch"
    description: str = ""


def row_rules(contract: Contract) -> tuple[RowRule, ...]:
    """The rules a single row can break, in column order; names are unique in the port."""
    raise NotImplementedError


def gate_rules(contract: Contract, write: Write) -> tuple[GateRule, ...]:
    """The rules that need more than a row, with scopes filled in by write mode (`design.md` 6); names are unique in the port."""
    raise NotImplementedError
