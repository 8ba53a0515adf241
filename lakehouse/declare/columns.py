"""What is a column, and which values may it hold? One ODCS property -> `Column`.

Next: `promises.py` reads what is promised of many rows.
"""

from __future__ import annotations

import re
from dataclasses import replace

from lakehouse.declare.column_types import column_type
from lakehouse.declare.contract import CLASSIFICATIONS, Classification, Column, Options, Scalar
from lakehouse.declare.entry import entry
from lakehouse.declare.findings import Findings, suggestion
from lakehouse.declare.node import Node
from lakehouse.declare.standard import is_expression
from lakehouse.declare.vendor import PropertyEntry
from lakehouse.types import ColumnType, Decimal, Primitive

_USUAL_NAME = re.compile(r"[a-z][a-z0-9_]*")
_EXECUTED_FORMATS = ("email", "uuid", "uri", "ipv4", "ipv6", "hostname")
_PARTITIONABLE: dict[str, tuple[str, ...]] = {
    "year": ("date", "timestamp", "timestamptz"),
    "month": ("date", "timestamp", "timestamptz"),
    "day": ("date", "timestamp", "timestamptz"),
    "hour": ("timestamp", "timestamptz"),
    "bucket": ("int", "long", "decimal", "date", "time", "timestamp", "timestamptz", "string", "uuid", "binary"),
    "truncate": ("int", "long", "string"),
}
_VALUES: dict[str, type | tuple[type, ...]] = {"boolean": bool, "int": int, "long": int, "float": (int, float), "double": (int, float)}


def columns(properties: tuple[Node, ...], findings: Findings) -> tuple[Column, ...]:
    """The columns of a port, in the contract's order."""
    found = tuple(_column(node, findings) for node in properties)
    _check_names(found, findings)
    _check_classified(found, findings)
    return _numbered(found, properties, findings)


def _column(node: Node, findings: Findings) -> Column:
    ours = entry(PropertyEntry, node, findings)
    kind = column_type(node, findings)
    return Column(
        name=node.text("name"),
        type=kind,
        required=node.flag("required"),
        unique=node.flag("unique"),
        partition=_partition(node, kind, ours.partition, findings),
        classification=_classification(node, findings),
        classified="classification" in node,
        enum=_enum(node, kind, findings),
        options=_options(node, kind, ours, findings),
        description=node.text("description"),
        business_name=node.text("businessName"),
        physical_name=node.text("physicalName"),
        tags=node.texts("tags"),
        sources=node.texts("transformSourceObjects"),
        place=node.place(),
    )


def _partition(node: Node, kind: ColumnType, transform: str | None, findings: Findings) -> str | None:
    chosen = transform or ("identity" if node.flag("partitioned") else None)
    if chosen is None:
        return None
    family = "decimal" if isinstance(kind, Decimal) else kind.name if isinstance(kind, Primitive) else "nested"
    word = chosen.partition("[")[0]
    allowed = family != "nested" if word == "identity" else family in _PARTITIONABLE[word]
    if not allowed:
        findings.error(
            node.place(), f"a column of type {kind} cannot be partitioned by {chosen}", "partition by a date, a key or its bucket"
        )
    return chosen


def _classification(node: Node, findings: Findings) -> Classification:
    given = node.text("classification")
    for known in CLASSIFICATIONS:
        if given == known:
            return known
    if "classification" in node:
        findings.error(node.place("classification"), f"{given!r} is no classification", suggestion(given, CLASSIFICATIONS))
    return "restricted"


def _enum(node: Node, kind: ColumnType, findings: Findings) -> tuple[Scalar, ...]:
    items = node.nodes("enum")
    for item in items:
        _check_value(item, "value", kind, findings)
    return tuple(item.scalar("value") for item in items)


def _check_value(node: Node, key: str, kind: ColumnType, findings: Findings) -> None:
    """A value must be written as its column's type is; null never restricts."""
    value = node.get(key)
    if not isinstance(kind, (Primitive, Decimal)):
        findings.error(node.place(key), f"a column of type {kind} cannot be compared with a value", "leave it out")
        return
    expected = (int, float, str) if isinstance(kind, Decimal) else _VALUES.get(kind.name, str)
    wrong_bool = isinstance(value, bool) and expected is not bool
    if value is None or wrong_bool or not isinstance(value, expected):
        hint = f'quote it: "{value}"' if expected is str else f"write a value of type {kind}"
        findings.error(node.place(key), f"{value!r} is no value of type {kind}", hint)


def _options(node: Node, kind: ColumnType, ours: PropertyEntry, findings: Findings) -> Options:
    options = node.node("logicalTypeOptions")
    for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        if key in options:
            _check_value(options, key, kind, findings)
    _check_order(options, findings)
    _report_unexecuted(options, node.text("logicalType"), findings)
    multiple = options.scalar("multipleOf")
    return Options(
        min_length=options.whole("minLength"),
        max_length=options.whole("maxLength"),
        pattern=_pattern(options, findings),
        format=_format(node, findings),
        minimum=options.scalar("minimum"),
        maximum=options.scalar("maximum"),
        exclusive_minimum=options.scalar("exclusiveMinimum"),
        exclusive_maximum=options.scalar("exclusiveMaximum"),
        multiple_of=float(multiple) if isinstance(multiple, (int, float)) else None,
        min_items=options.whole("minItems"),
        max_items=options.whole("maxItems"),
        unique_items=options.flag("uniqueItems"),
        allow_nan=ours.allowNaN,
    )


def _check_order(options: Node, findings: Findings) -> None:
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        least, most = options.get(low), options.get(high)
        comparable = type(least) is type(most) or (isinstance(least, (int, float)) and isinstance(most, (int, float)))
        if least is not None and comparable and least > most:  # type: ignore[operator]
            findings.error(options.place(low), f"{low} {least} is above {high} {most}: no row could pass", "exchange them")


def _report_unexecuted(options: Node, logical: str, findings: Findings) -> None:
    for key in ("minProperties", "maxProperties", "required"):
        if key in options:
            findings.documented_only(options.place(key), f"{key!r} of an object")
    if logical in ("date", "time", "timestamp") and "format" in options:
        findings.documented_only(
            options.place("format"), "the format of a stored date or time", "how a CSV is written: `dateFormat` of its dialect"
        )
    if options.text("defaultTimezone") not in ("", "UTC", "Etc/UTC"):
        findings.documented_only(
            options.place("defaultTimezone"), "a default time zone", "instants are stored in UTC; convert in the transform"
        )


def _pattern(options: Node, findings: Findings) -> str | None:
    pattern = options.text("pattern") or None
    if pattern is not None and not is_expression(pattern):
        hint = "lookaround and back references are never executed; test the rest on a value that must match"
        findings.error(options.place("pattern"), f"{pattern!r} is no regular expression that can be executed", hint)
    return pattern


def _format(node: Node, findings: Findings) -> str | None:
    """The executed format of a string. On numbers `format` is a width, on times it says nothing about what is stored."""
    form = node.node("logicalTypeOptions").text("format")
    if node.text("logicalType") != "string" or not form:
        return None
    if form not in _EXECUTED_FORMATS:
        hint = f"executed are {', '.join(_EXECUTED_FORMATS)}; others need a `pattern`"
        findings.documented_only(node.place("logicalTypeOptions", "format"), f"the format {form!r}", hint)
    return form


def _check_names(found: tuple[Column, ...], findings: Findings) -> None:
    seen: set[str] = set()
    for column in found:
        if not column.name or column.name.startswith("__"):
            findings.error(column.place, f"{column.name!r} cannot name a column", "names that begin with __ belong to the platform")
        elif not _USUAL_NAME.fullmatch(column.name):
            findings.warning(column.place, f"{column.name!r} has to be quoted in SQL", "lower-case letters, digits and _ need no quotes")
        if column.name.lower() in seen:
            findings.error(column.place, f"the column {column.name!r} is there twice", "names differ in more than case")
        seen.add(column.name.lower())


def _check_classified(found: tuple[Column, ...], findings: Findings) -> None:
    """A contract that classifies nothing is restricted as a whole; one that classifies some may have forgotten others."""
    for column in found:
        if not column.classified and any(c.classified for c in found):
            findings.warning(column.place, f"{column.name!r} has no classification and counts as restricted", "add `classification: ...`")


def _numbered(found: tuple[Column, ...], properties: tuple[Node, ...], findings: Findings) -> tuple[Column, ...]:
    """Give the columns of the primary key their positions: as declared, else in order."""
    taken: set[int] = set()
    return tuple(_keyed(column, node, taken, findings) for column, node in zip(found, properties, strict=True))


def _keyed(column: Column, node: Node, taken: set[int], findings: Findings) -> Column:
    position = node.whole("primaryKeyPosition")
    declared = position is not None and position >= 0
    if not node.flag("primaryKey"):
        if declared:
            findings.warning(
                node.place("primaryKeyPosition"), f"{column.name!r} has a position but is no primary key", "add `primaryKey: true`"
            )
        return column
    chosen = position if position is not None and declared else len(taken) + 1
    if chosen in taken:
        findings.error(node.place(), f"two columns stand at position {chosen} of the primary key", "give each its own")
    taken.add(chosen)
    return replace(column, key_position=chosen)
