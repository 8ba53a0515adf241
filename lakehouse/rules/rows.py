"""Which rows are good? A contract's row rules: what a single row can break.

Every predicate is NULL for a NULL value, and NULL passes: only `required` asks for a value. Next: `gates.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lakehouse.declare.contract import Column, Contract, Options, Place, QualityRule
from lakehouse.rules.literals import number, typed
from lakehouse.rules.patterns import FORMATS, pattern_problem
from lakehouse.rules.rule import RESERVED, RowRule, distinct, refused, slug
from lakehouse.types import ColumnType, ListOf, MapOf, Primitive, StructOf, literal, quote

_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/", re.DOTALL)
_QUERY = re.compile(r"\bselect\b|\(\s*(?:from|table|with|pivot|unpivot|show|describe|summarize)\b", re.IGNORECASE)
_FEW, _MANY = 5, 50
Clause = tuple[str, str, str]
"""Kind, predicate, description: what a column's declaration says about a value."""


def row_rules(contract: Contract) -> tuple[RowRule, ...]:
    """The rules a single row can break, in column order; names are unique in the port. DeclarationError where one makes no sense."""
    return tuple(distinct(_drafts(contract), RESERVED))


def _drafts(contract: Contract) -> Iterator[RowRule]:
    for column in contract.columns:
        yield from column_rules(column)
    for rule in contract.quality:
        if rule.row_expression is not None:
            yield expression_rule(rule)


def column_rules(column: Column) -> Iterator[RowRule]:
    """What the property itself declares."""
    try:
        for kind, predicate, description in _clauses(column):
            name = f"{slug(column.name)}_{kind}"
            yield RowRule(name=name, column=column.name, predicate=predicate, description=f"{column.name} {description}")
    except ValueError as error:
        raise refused(column.place, f"{column.name}: {error}", f"write values of the column's type, {column.type}") from None


def expression_rule(rule: QualityRule) -> RowRule:
    """A `sql` rule with a `rowExpression`; `${column}` and `${property}` stand for its column."""
    expression = placed(rule, rule.row_expression or "")
    if not expression.strip():
        raise refused(rule.place, "rowExpression is empty", "write an SQL condition that is true for a good row")
    if _QUERY.search(_QUOTED.sub("''", expression)):
        raise refused(rule.place, "rowExpression holds a query, and speaks of one row", "write it as a `query`, a SELECT over ${table}")
    name = slug(rule.name) or f"{slug(rule.column or 'row')}_expression"
    # The line break keeps a trailing `--` comment from swallowing the bracket.
    return RowRule(name=name, column=rule.column, predicate=f"({expression}\n)", description=rule.description or expression.strip())


def placed(rule: QualityRule, text: str) -> str:
    """`text` with the rule's column in place of `${column}` and `${property}`."""
    for placeholder in ("${column}", "${property}"):
        if placeholder in text and rule.column is None:
            raise refused(rule.place, f"{placeholder} stands for no column here", "state the rule at a property, or name the column")
        text = text.replace(placeholder, quote(rule.column or ""))
    return text


def pattern_predicate(name: str, pattern: object, place: Place) -> str:
    """Whether the pattern matches somewhere in the column."""
    problem = pattern_problem(pattern) if isinstance(pattern, str) else f"{pattern!r} is no pattern"
    if problem:
        raise refused(place, problem, "write a rule of type sql with a rowExpression for what RE2 cannot say")
    return f"regexp_matches({quote(name)}, {literal(str(pattern))})"


def _clauses(column: Column) -> Iterator[Clause]:
    name = quote(column.name)
    if column.required or column.key_position is not None:
        yield "required", f"{name} is not null", "is given"
    finite = None if column.options.allow_nan else _finite(name, column.type)
    if finite is not None:
        yield "finite", finite, "is neither NaN nor infinite" if is_floating(column) else "holds neither NaN nor infinity"
    values = [value for value in column.enum if value is not None]
    if values:
        yield "enum", _one_of(name, [typed(v, column.type) for v in values]), f"is one of {', '.join(map(str, values))}"
    yield from _ranges(column)
    yield from _multiples(column)
    yield from _texts(column)
    yield from _items(column)


def _one_of(value: str, literals: Sequence[str]) -> str:
    """DuckDB makes a join of an `in` with more than a few values, which pays for long lists only and loses the order of the rows."""
    if not _FEW < len(literals) < _MANY:
        return f"{value} in ({', '.join(literals)})"
    return f"case {value} {' '.join(f'when {one} then true' for one in literals)} else {value} is null and null end"


def _finite(value: str, kind: ColumnType, depth: int = 0) -> str | None:
    """Whether no floating-point number in `value` is NaN or infinite; None where there can be none. NULL is no number."""
    match kind:
        case Primitive("float" | "double"):
            return f"isfinite({value})"
        case ListOf(element):
            item = f"item{depth}"
            inner = _finite(item, element, depth + 1)
            return None if inner is None else f"len(list_filter({value}, lambda {item}: not coalesce({inner}, true))) = 0"
        case StructOf(parts):
            found = [_finite(f"{value}.{quote(name)}", part, depth) for name, part in parts]
            return " and ".join(f"coalesce({one}, true)" for one in found if one) or None
        case MapOf(key, item_kind):
            both = (_finite(f"map_keys({value})", ListOf(key), depth), _finite(f"map_values({value})", ListOf(item_kind), depth))
            return " and ".join(f"coalesce({one}, true)" for one in both if one) or None
        case _:
            return None


def is_floating(column: Column) -> bool:
    return isinstance(column.type, Primitive) and column.type.name in ("float", "double")


def _ranges(column: Column) -> Iterator[Clause]:
    options, name = column.options, quote(column.name)
    # NaN is greater than every number in DuckDB; where it is allowed it is in no range and out of none.
    spared = f" or isnan({name})" if is_floating(column) and options.allow_nan else ""
    for kind, sign, bound in (
        ("minimum", ">=", options.minimum),
        ("maximum", "<=", options.maximum),
        ("exclusive_minimum", ">", options.exclusive_minimum),
        ("exclusive_maximum", "<", options.exclusive_maximum),
    ):
        if bound is not None:
            yield kind, f"{name} {sign} {typed(bound, column.type)}{spared}", f"{sign} {bound}"


def _multiples(column: Column) -> Iterator[Clause]:
    step, name = column.options.multiple_of, quote(column.name)
    if step is None:
        return
    if step <= 0:
        raise ValueError(f"multipleOf {step} is not greater than 0")
    if is_floating(column):
        # Binary fractions: 0.3 is no exact multiple of 0.1, so a billionth of a step is forgiven.
        predicate = f"abs({name} / {number(step)} - round({name} / {number(step)})) < 1e-9"
    else:
        predicate = f"{name} % {number(step)} = 0"
    yield "multiple_of", predicate, f"is a multiple of {step:g}"


def _texts(column: Column) -> Iterator[Clause]:
    options = column.options
    if options.pattern is not None and column.type != Primitive("string"):
        raise ValueError("only a string has a pattern")
    yield from _lengths(column, options)
    if options.pattern is not None:
        yield "pattern", pattern_predicate(column.name, options.pattern, column.place), f"matches {options.pattern}"
    if options.format in FORMATS and column.type == Primitive("string"):
        yield "format", pattern_predicate(column.name, FORMATS[options.format], column.place), f"has the format {options.format}"


def _lengths(column: Column, options: Options) -> Iterator[Clause]:
    count = f"octet_length({quote(column.name)})" if column.type == Primitive("binary") else f"length({quote(column.name)})"
    if options.min_length is not None:
        yield "min_length", f"{count} >= {options.min_length}", f"has at least {options.min_length} characters"
    if options.max_length is not None:
        yield "max_length", f"{count} <= {options.max_length}", f"has at most {options.max_length} characters"


def _items(column: Column) -> Iterator[Clause]:
    options, name = column.options, quote(column.name)
    count = f"cardinality({name})" if isinstance(column.type, MapOf) else f"len({name})"
    if options.min_items is not None:
        yield "min_items", f"{count} >= {options.min_items}", f"has at least {options.min_items} items"
    if options.max_items is not None:
        yield "max_items", f"{count} <= {options.max_items}", f"has at most {options.max_items} items"
    if options.unique_items and isinstance(column.type, ListOf):
        yield "unique_items", f"list_unique({name}) = list_count({name})", "has no item twice"
