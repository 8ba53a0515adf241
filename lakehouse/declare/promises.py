"""What is promised of many rows: `quality` and `slaProperties` of a contract.

Next: `relationships.py` reads foreign keys.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from pydantic import JsonValue

from lakehouse.declare.contract import Operator, QualityRule, Scalar, ServiceLevel
from lakehouse.declare.entry import entry
from lakehouse.declare.findings import Findings, suggestion
from lakehouse.declare.node import Node
from lakehouse.declare.standard import is_expression
from lakehouse.declare.vendor import QualityEntry
from lakehouse.errors import Severity

_SEVERITIES: dict[str, Severity] = {"error": "error", "warning": "warning", "info": "info"}
_OPERATORS: tuple[Operator, ...] = get_args(Operator)
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "nullValues": (),
    "missingValues": ("missingValues",),
    "invalidValues": ("validValues", "pattern"),
    "duplicateValues": ("properties",),
    "rowCount": (),
}
SERVICE_LEVELS = (
    *("availability", "throughput", "errorRate", "generalAvailability", "endOfSupport", "endOfLife"),
    *("retention", "frequency", "latency", "timeToDetect", "timeToNotify", "timeToRepair"),
)
_DURATIONS = ("retention", "frequency", "latency")
_UNITS = (
    *("s", "sec", "second", "seconds", "min", "minute", "minutes", "h", "hr", "hour", "hours", "d", "day", "days"),
    *("w", "week", "weeks", "mo", "month", "months", "y", "yr", "year", "years"),
)
_NAMES = {12: "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec", 7: "sun|mon|tue|wed|thu|fri|sat"}


def _field(lowest: int, highest: int) -> str:
    """A field of a cron expression: `*`, numbers or names, ranges, steps, and lists of these."""
    one = "|".join([*map(str, range(highest, lowest - 1, -1)), *filter(None, [_NAMES.get(highest)])])
    item = rf"(?:\*|0?(?:{one})(?:-0?(?:{one}))?)(?:/[1-9]\d?)?"
    return rf"{item}(?:,{item})*"


_FIELDS = r"\s+".join(_field(*bounds) for bounds in ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7)))
_CRON = re.compile(rf"@(yearly|annually|monthly|weekly|daily|midnight|hourly)|{_FIELDS}", re.IGNORECASE)


def quality_rules(holder: Node, column: str | None, findings: Findings) -> tuple[QualityRule, ...]:
    """The rules that `holder`, a schema or one of its properties, declares."""
    return tuple(_rule(node, column, findings) for node in holder.nodes("quality"))


def _rule(node: Node, column: str | None, findings: Findings) -> QualityRule:
    ours = entry(QualityEntry, node, findings)
    kind = _kind(node)
    operator = next((o for o in _OPERATORS if o in node), None)
    if kind in ("text", "custom"):
        findings.documented_only(node.place(), f"a rule of type {kind}", "write it as `type: sql` to have it checked")
    if kind == "library":
        _check_metric(node, column, findings)
    if ours.rowExpression is not None and kind != "sql":
        findings.error(node.place(), "a rowExpression outside a rule of type sql", "add `type: sql`")
    threshold = _threshold(node, operator, findings)
    if kind == "library" and (isinstance(threshold, (str, bool)) or (threshold is None and operator)):
        findings.error(node.place(operator or "metric"), f"{threshold!r} cannot be compared with a count", "write a number")
    return QualityRule(
        name=node.text("name") or node.text("id") or "_".join(filter(None, (column, node.text("metric") or kind))),
        kind=kind,
        column=column,
        metric=node.text("metric") or None,
        arguments=node.node("arguments").data,
        query=node.text("query") or None,
        row_expression=ours.rowExpression,
        operator=operator,
        threshold=threshold,
        unit=_unit(node, findings),
        severity=_severity(node, findings),
        scope=ours.scope,
        dimension=node.text("dimension") or None,
        description=node.text("description"),
        place=node.place(),
    )


def _kind(node: Node) -> Literal["library", "sql", "text", "custom"]:
    kinds: dict[str, Literal["library", "sql", "text", "custom"]] = {"sql": "sql", "text": "text", "custom": "custom"}
    return kinds.get(node.text("type"), "library")


def _threshold(node: Node, operator: Operator | None, findings: Findings) -> Scalar | tuple[float, float]:
    value: JsonValue = node.get(operator) if operator else None
    if isinstance(value, list):
        low, high = (float(v) for v in value if isinstance(v, (int, float)))
        if low > high:
            findings.error(node.place(operator or ""), f"{low:g} is above {high:g}", "write the smaller number first")
        return low, high
    return node.scalar(operator) if operator else None


def _unit(node: Node, findings: Findings) -> Literal["rows", "percent"]:
    given = node.text("unit") or "rows"
    if given not in ("rows", "percent"):
        findings.error(node.place("unit"), f"{given!r} is no unit", suggestion(given, ("rows", "percent")))
    if given == "percent" and node.text("metric") == "rowCount":
        findings.error(node.place("unit"), "a row count has no percentage", "leave `unit` out")
    return "percent" if given == "percent" else "rows"


def _severity(node: Node, findings: Findings) -> Severity:
    given = node.text("severity") or "error"
    if given not in _SEVERITIES:
        findings.error(node.place("severity"), f"{given!r} is no severity", suggestion(given, _SEVERITIES))
    return _SEVERITIES.get(given, "error")


def _check_metric(node: Node, column: str | None, findings: Findings) -> None:
    metric = node.text("metric")
    if not metric:
        findings.error(node.place(), "a rule without a metric", suggestion("", _ARGUMENTS))
        return
    _check_arguments(metric, node.node("arguments"), findings)
    if metric == "invalidValues" and not node.node("arguments").data:
        findings.error(node.place("metric"), "which values are valid?", "add `arguments: {validValues: [...]}` or `{pattern: ...}`")
    if column is None and metric in ("nullValues", "missingValues", "invalidValues"):
        findings.error(node.place("metric"), f"{metric} speaks of one column", "write it below that column's `quality`")
    if column is None and metric == "duplicateValues" and not node.node("arguments").texts("properties"):
        findings.error(node.place("metric"), "which columns must not repeat together?", "add `arguments: {properties: [...]}`")
    if column is not None and metric == "rowCount":
        findings.error(node.place("metric"), "rowCount counts the rows of the port", "write it below the schema's `quality`")


def _check_arguments(metric: str, arguments: Node, findings: Findings) -> None:
    for key in arguments.data:
        if key not in _ARGUMENTS[metric]:
            findings.error(arguments.place(key), f"{metric} takes no argument {key!r}", suggestion(key, _ARGUMENTS[metric]))
        elif key == "pattern" and not is_expression(arguments.text(key)):
            findings.error(arguments.place(key), f"{arguments.get(key)!r} is no regular expression", "lookaround is never executed")
        elif key != "pattern" and not isinstance(arguments.get(key), list):
            findings.error(arguments.place(key), f"{key!r} is no list", "write a list")


def service_levels(root: Node, port: str, findings: Findings) -> tuple[ServiceLevel, ...]:
    """The promises in `slaProperties`; of those the platform acts on, value and unit are checked."""
    return tuple(_service_level(node, port, findings) for node in root.nodes("slaProperties"))


def _service_level(node: Node, port: str, findings: Findings) -> ServiceLevel:
    name = node.text("property")
    if name not in SERVICE_LEVELS:
        findings.documented_only(node.place("property"), f"the service level {name!r}", suggestion(name, SERVICE_LEVELS))
    if name in _DURATIONS:
        _check_duration(node, findings)
    if "schedule" in node and not _CRON.fullmatch(node.text("schedule").strip()):
        findings.error(node.place("schedule"), f"{node.text('schedule')!r} is no cron expression", "five fields, such as `0 6 * * *`")
    return ServiceLevel(
        property=name,
        value=node.scalar("value"),
        unit=node.text("unit") or None,
        element=node.text("element").removeprefix(f"{port}.") or None,
        schedule=node.text("schedule").strip() or None,
        description=node.text("description"),
        place=node.place(),
    )


def _check_duration(node: Node, findings: Findings) -> None:
    value, unit = node.get("value"), node.text("unit")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        findings.error(node.place("value"), f"{value!r} is no duration", "write a number above zero, and its `unit`")
    if unit not in _UNITS:
        hint = "months are `mo`, minutes are `min`" if unit == "m" else suggestion(unit, _UNITS)
        findings.error(node.place("unit"), f"{unit!r} is no unit of time" if unit else "a duration without a unit", hint)
