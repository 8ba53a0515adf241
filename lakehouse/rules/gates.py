"""What must hold for many rows at once? A contract's gate rules: keys, relationships and the library's metrics.

Next: `../gate.py` evaluates them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import cast

from lakehouse.declare.contract import Column, Contract, QualityRule, Relationship, Scope
from lakehouse.declare.product import Write
from lakehouse.errors import DeclarationError, Problem
from lakehouse.rules.literals import typed
from lakehouse.rules.rows import column_rules, expression_rule, pattern_predicate, placed, row_rules
from lakehouse.rules.rule import RESERVED, GateRule, Metric, distinct, refused, slug
from lakehouse.types import quote

_SCOPES: dict[Write, Scope] = {"append": "batch", "upsert": "batch", "overwrite_partitions": "partitions", "overwrite": "port"}
_NAMES: dict[Metric, str] = {
    "nullValues": "null_values",
    "missingValues": "missing_values",
    "invalidValues": "invalid_values",
    "duplicateValues": "duplicate_values",
    "rowCount": "row_count",
}
_ARGUMENTS: dict[Metric, frozenset[str]] = {
    "missingValues": frozenset({"missingValues"}),
    "invalidValues": frozenset({"validValues", "pattern"}),
    "duplicateValues": frozenset({"properties"}),
}


def gate_rules(contract: Contract, write: Write) -> tuple[GateRule, ...]:
    """The rules that need more than a row, with scopes filled in by write mode; names are unique in the port, row rules included.

    DeclarationError where a rule makes no sense.
    """
    taken = RESERVED.union(rule.name for rule in row_rules(contract))
    drafts = (draft() for draft in _drafts(contract, write))
    return tuple(distinct((replace(rule, key=contract.key) for rule in drafts), taken))


def rule_problems(contract: Contract) -> tuple[Problem, ...]:
    """Everything in `contract` that cannot be made a rule."""
    return tuple(problem for draft in _every_draft(contract) for problem in _problems(draft))


def _problems(draft: Callable[[], object]) -> tuple[Problem, ...]:
    try:
        draft()
    except DeclarationError as error:
        return error.problems
    return ()


def _every_draft(contract: Contract) -> Iterator[Callable[[], object]]:
    for column in contract.columns:
        yield partial(tuple, column_rules(column))
    for rule in contract.quality:
        if rule.row_expression is not None:
            yield partial(expression_rule, rule)
    yield from _drafts(contract, "append")


def _drafts(contract: Contract, write: Write) -> Iterator[Callable[[], GateRule]]:
    """One call per rule, so that each can be refused by itself."""
    for columns in _keys(contract):
        yield partial(_unique, columns, contract)
    for relationship in contract.relationships:
        yield partial(_foreign_key, relationship, write)
    for rule in contract.quality:
        if rule.kind == "library":
            yield partial(_library, contract, rule, write)
        elif rule.kind == "sql" and rule.row_expression is None:
            yield partial(_query, rule, write)


def _keys(contract: Contract) -> Iterator[tuple[str, ...]]:
    if contract.key:
        yield contract.key
    for column in contract.columns:
        if column.unique and contract.key != (column.name,):
            yield (column.name,)


def _unique(columns: tuple[str, ...], contract: Contract) -> GateRule:
    name = "primary_key" if columns == contract.key and len(columns) > 1 else f"{slug(columns[0])}_unique"
    return GateRule(
        name=name, metric="duplicateValues", columns=columns, scope="port", description=f"{', '.join(columns)}: no two rows have the same"
    )


def _foreign_key(relationship: Relationship, write: Write) -> GateRule:
    if len(relationship.columns) != len(relationship.to_columns) or not relationship.columns:
        raise refused(relationship.place, "the two sides have different numbers of columns", "name one column of the target for each here")
    return GateRule(
        name=slug(relationship.name) or f"{slug('_'.join(relationship.columns))}_foreign_key",
        metric="foreignKey",
        columns=relationship.columns,
        to=relationship.to,
        to_columns=relationship.to_columns,
        severity=relationship.severity,
        scope=relationship.scope or _SCOPES[write],
        description=f"{', '.join(relationship.columns)} is known in {relationship.to}",
    )


def _query(rule: QualityRule, write: Write) -> GateRule:
    query = placed(rule, rule.query or "").strip().rstrip(";")
    if not query:
        raise refused(
            rule.place, "the sql rule has no query", "write a SELECT that returns one number; ${table} stands for the rows in scope"
        )
    name = slug(rule.name) or f"{slug(rule.column or 'port')}_sql"
    return replace(_judged(rule, name, "sql", write), query=query)


def _library(contract: Contract, rule: QualityRule, write: Write) -> GateRule:
    metric = cast("Metric", rule.metric)
    if metric not in _NAMES:
        raise refused(rule.place, f"no metric {rule.metric!r}", f"one of {', '.join(_NAMES)}")
    unknown = sorted(set(rule.arguments) - _ARGUMENTS.get(metric, frozenset()))
    if unknown:
        raise refused(rule.place, f"{metric} takes no argument {unknown[0]!r}", _argument_hint(metric))
    if metric == "rowCount" and rule.unit == "percent":
        raise refused(rule.place, "rowCount is no share of the rows", "leave unit out")
    columns = _columns(contract, rule, metric)
    name = slug(rule.name) or "_".join([*map(slug, columns), _NAMES[metric]])
    judged = _judged(rule, name, metric, write)
    if metric == "rowCount":
        return judged
    if metric == "duplicateValues":
        return replace(judged, columns=columns, scope=rule.scope or "port")
    return replace(judged, columns=columns, condition=_condition(contract.column(columns[0]), rule, metric))


def _argument_hint(metric: Metric) -> str:
    known = sorted(_ARGUMENTS.get(metric, ()))
    return f"{metric} takes {', '.join(known)}" if known else f"leave the arguments of {metric} out"


def _columns(contract: Contract, rule: QualityRule, metric: Metric) -> tuple[str, ...]:
    """The columns a metric looks at: the property it stands at, or for duplicates on the schema level `arguments.properties`."""
    if metric == "rowCount":
        return ()
    columns = (rule.column,) if rule.column is not None else _listed(rule, "properties") if metric == "duplicateValues" else ()
    if not columns:
        raise refused(rule.place, f"{metric} names no column", "state it at a property, or for duplicateValues name arguments.properties")
    known = [column.name for column in contract.columns]
    for column in columns:
        if column not in known:
            raise refused(rule.place, f"no column {column!r}", f"one of {', '.join(known)}")
    return tuple(map(str, columns))


def _listed(rule: QualityRule, argument: str) -> tuple[object, ...]:
    values = rule.arguments.get(argument, ())
    if not isinstance(values, list | tuple):
        raise refused(rule.place, f"{argument} is no list", f"{argument}: [...]")
    return tuple(values)


def _judged(rule: QualityRule, name: str, metric: Metric, write: Write) -> GateRule:
    """A quality entry's verdict: operator, threshold, severity and scope."""
    between = rule.operator in ("mustBeBetween", "mustNotBeBetween")
    bounds = rule.threshold if isinstance(rule.threshold, tuple) else (rule.threshold,)
    if rule.operator is None or len(bounds) != (2 if between else 1):
        raise refused(rule.place, "the rule has no threshold", "such as mustBe: 0 or mustBeBetween: [1, 5]")
    for bound in bounds:
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not math.isfinite(bound):
            raise refused(rule.place, f"the threshold {bound!r} is no number", "metrics and queries are compared with numbers")
    if isinstance(rule.threshold, tuple) and rule.threshold[0] >= rule.threshold[-1]:
        raise refused(rule.place, f"no number lies in the range {rule.threshold}", "write the smaller number first")
    return GateRule(
        name=name,
        metric=metric,
        arguments=rule.arguments,
        operator=rule.operator,
        threshold=rule.threshold,
        unit=rule.unit,
        severity=rule.severity,
        scope=rule.scope or _SCOPES[write],
        description=rule.description,
    )


def _condition(column: Column, rule: QualityRule, metric: Metric) -> str:
    """The rows that the metric counts."""
    name = quote(column.name)
    if metric == "nullValues":
        return f"{name} is null"
    try:
        return _missing(column, rule) if metric == "missingValues" else _invalid(column, rule)
    except ValueError as error:
        raise refused(rule.place, f"{column.name}: {error}", f"write values of the column's type, {column.type}") from None


def _missing(column: Column, rule: QualityRule) -> str:
    """NULL is missing where it is listed, or nothing is."""
    listed, name = _listed(rule, "missingValues"), quote(column.name)
    values = [typed(value, column.type) for value in listed if value is not None]
    parts = [f"{name} is null"] if None in listed or not listed else []
    if values:
        parts.append(f"{name} in ({', '.join(values)})")
    return " or ".join(parts)


def _invalid(column: Column, rule: QualityRule) -> str:
    """NULL is not invalid."""
    valid, name = [value for value in _listed(rule, "validValues") if value is not None], quote(column.name)
    parts = [f"{name} not in ({', '.join(typed(value, column.type) for value in valid)})"] if valid else []
    if "pattern" in rule.arguments:
        parts.append(f"not {pattern_predicate(column.name, rule.arguments['pattern'], rule.place)}")
    if not parts:
        raise refused(rule.place, "invalidValues says nothing of what is valid", "name arguments.validValues or arguments.pattern")
    return " or ".join(parts)
