"""What a rule is, how it is called, and how one that makes no sense is refused.

Next: `rows.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from lakehouse.address import Address
from lakehouse.declare.contract import Operator, Place, Scalar, Scope
from lakehouse.errors import DeclarationError, Problem, Severity

Metric = Literal["nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount", "sql", "foreignKey"]

RESERVED = frozenset({"type", "quarantine"})
"""`type`: a value that cannot be cast to its column's type, found by the writer. `quarantine`: the limit on rows set aside."""


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

    What `operator` compares with `threshold` is a count of rows, or with unit percent their share of the rows in scope; for
    `rowCount` and `sql` it is the number itself. Rows are counted for which `condition` (SQL) is true (null, missing and
    invalid values), that repeat a key of `columns` (duplicates), or that find no partner in `to` (foreign keys).
    `key` holds the port's primary key: it names the rows in a sample.
    """

    name: str
    metric: Metric
    columns: tuple[str, ...] = ()
    condition: str | None = None
    arguments: Mapping[str, object] = field(default_factory=dict)
    query: str | None = None
    to: Address | None = None
    to_columns: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    operator: Operator = "mustBe"
    threshold: Scalar | tuple[float, float] = 0
    unit: Literal["rows", "percent"] = "rows"
    severity: Severity = "error"
    scope: Scope = "batch"
    description: str = ""


Rule = TypeVar("Rule", RowRule, GateRule)


def slug(text: str) -> str:
    """`text` as part of a rule's name: `[a-z0-9_]`."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def distinct(rules: Iterable[Rule], taken: Iterable[str]) -> Iterator[Rule]:
    """The rules, with `_2`, `_3` behind a name that was given before."""
    used = set(taken)
    for rule in rules:
        name, count = rule.name, 1
        while name in used:
            count += 1
            name = f"{rule.name}_{count}"
        used.add(name)
        yield replace(rule, name=name)


def refused(place: Place, message: str, hint: str) -> DeclarationError:
    """A rule that cannot be compiled, as the problem that its author reads."""
    return DeclarationError([Problem(file=place.file, line=place.line, path=place.path, message=message, hint=hint)])
