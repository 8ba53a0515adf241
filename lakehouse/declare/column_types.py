"""Which type is a column? `logicalType`, `physicalType` and the options that choose a width -> `lakehouse.types`.

Next: `columns.py`.
"""

from __future__ import annotations

import re

from lakehouse.declare.findings import Findings, suggestion
from lakehouse.declare.node import Node
from lakehouse.types import ColumnType, Decimal, ListOf, MapOf, Primitive, PrimitiveName, StructOf

STRING = Primitive("string")
_DEFAULT: dict[str, PrimitiveName] = {
    "string": "string",
    "boolean": "boolean",
    "integer": "long",
    "number": "double",
    "date": "date",
    "time": "time",
    "timestamp": "timestamptz",
}
_WRITTEN: dict[str, tuple[PrimitiveName, ...]] = {
    "string": ("string", "uuid", "binary"),
    "boolean": ("boolean",),
    "integer": ("long", "int"),
    "number": ("double", "float"),
    "date": ("date",),
    "time": ("time",),
    "timestamp": ("timestamptz", "timestamp"),
}
_SPELLINGS: dict[str, PrimitiveName] = {
    **{name: name for names in _WRITTEN.values() for name in names},
    **dict.fromkeys(("varchar", "text", "char"), "string"),
    **dict.fromkeys(("bytes", "blob", "varbinary"), "binary"),
    **dict.fromkeys(("integer", "smallint", "tinyint"), "int"),
    "bigint": "long",
    "bool": "boolean",
    "real": "float",
    "timestamp_ntz": "timestamp",
}
_FORMATS: dict[str, PrimitiveName] = {
    **dict.fromkeys(("i8", "i16", "i32", "u8", "u16"), "int"),
    **dict.fromkeys(("i64", "u32"), "long"),
    "f32": "float",
    "f64": "double",
}
_PARTS = ("array", "object", "map")
_MOST_DIGITS = 38
_DECIMAL = re.compile(r"(?:decimal|numeric)\((\d+)(?:,(\d+))?\)")
_NESTED_RULES = ("required", "unique", "primaryKey", "partitioned", "enum", "quality", "relationships")
_TYPE_OPTIONS = ("format", "timezone", "defaultTimezone")
"""Options that choose the type, also of a part; any other is a rule."""


def column_type(node: Node, findings: Findings) -> ColumnType:
    """The type of a property; string, and a problem, when it has none that can be stored."""
    logical = node.text("logicalType") or _logical_of(node.text("physicalType"))
    if logical in _PARTS:
        return _nested(logical, node, findings)
    if logical == "vector":
        findings.error(node.place("logicalType"), "vectors are not stored", "declare an array of number")
        return STRING
    if not logical:
        findings.error(node.place("name"), f"{node.text('name')!r} has no type", "add `logicalType: string` or another")
        return STRING
    chosen = _written(logical, node, findings) or _sized(logical, node, findings) or Primitive(_DEFAULT[logical])
    return _zoned(chosen, node, findings)


def _logical_of(physical: str) -> str:
    """The logical type that goes without saying."""
    if _DECIMAL.fullmatch(_plain(physical)):
        return "number"
    name = _SPELLINGS.get(_plain(physical).partition("(")[0])
    return next((logical for logical, names in _WRITTEN.items() if name in names), "string" if physical else "")


def _plain(physical: str) -> str:
    return physical.lower().replace(" ", "")


def _written(logical: str, node: Node, findings: Findings) -> ColumnType | None:
    """The type that `physicalType` names."""
    physical = _plain(node.text("physicalType"))
    if not physical:
        return None
    if found := _DECIMAL.fullmatch(physical):
        return _decimal(int(found[1]), int(found[2] or 0), logical, node, findings)
    name = _SPELLINGS.get(physical.partition("(")[0])
    if name is not None and name in _WRITTEN[logical]:
        return Primitive(name)
    known = [s for s, n in _SPELLINGS.items() if n in _WRITTEN[logical]] + ["decimal(p,s)"] * (logical == "number")
    findings.error(
        node.place("physicalType"), f"{node.text('physicalType')!r} is no physical type of {logical}", suggestion(physical, known)
    )
    return None


def _decimal(precision: int, scale: int, logical: str, node: Node, findings: Findings) -> ColumnType | None:
    if logical != "number":
        findings.error(node.place("physicalType"), f"a decimal is no {logical}", "write `logicalType: number`")
        return None
    if not 1 <= precision <= _MOST_DIGITS or scale > precision:
        findings.error(node.place("physicalType"), f"decimal({precision},{scale}) cannot be stored", "1 to 38 digits, the scale among them")
        return None
    return Decimal(precision, scale)


def _sized(logical: str, node: Node, findings: Findings) -> ColumnType | None:
    """The type that the option `format` of a number names."""
    size = node.node("logicalTypeOptions").text("format") if logical in ("integer", "number") else ""
    if size and size not in _FORMATS:
        findings.error(node.place("logicalTypeOptions", "format"), f"{size} is wider than any stored integer", "i64, or decimal(38,0)")
    return Primitive(_FORMATS[size]) if size in _FORMATS else None


def _zoned(chosen: ColumnType, node: Node, findings: Findings) -> ColumnType:
    """Instants are UTC; a time of the clock on the wall says so in its name."""
    options = node.node("logicalTypeOptions")
    if not isinstance(chosen, Primitive) or chosen.name not in ("timestamp", "timestamptz"):
        return chosen
    if chosen.name == "timestamp" and options.flag("timezone"):
        findings.error(node.place("physicalType"), "a zoneless physicalType with `timezone: true`", "keep one of them")
    if options.get("timezone") is False:
        chosen = Primitive("timestamp")
    name = node.text("name")
    if chosen.name == "timestamp" and name and not name.endswith("_local"):
        findings.error(node.place("name"), f"{name!r} is a zoneless timestamp", f"call it {name}_local, or store the instant in UTC")
    return chosen


def _nested(logical: str, node: Node, findings: Findings) -> ColumnType:
    physical = _plain(node.text("physicalType"))
    if physical and not re.match(r"(array|list|object|struct|row|map|json)\b", physical):
        findings.error(node.place("physicalType"), f"{physical!r} is no physical type of {logical}", "leave it out: the parts say it")
    if logical == "array":
        return ListOf(_part(node, "items", findings))
    if logical == "map":
        return MapOf(_part(node.node("map"), "key", findings), _part(node.node("map"), "value", findings))
    fields = node.nodes("properties")
    if not fields:
        findings.error(node.place(), f"the object {node.text('name')!r} has no properties", "list its fields under `properties`")
    _refuse_doubles(fields, findings)
    return StructOf(tuple((f.text("name"), _inner(f, findings)) for f in fields))


def _part(node: Node, key: str, findings: Findings) -> ColumnType:
    if key not in node:
        findings.error(node.place(), f"an array needs {key!r}: the type of its elements", f"add `{key}: {{logicalType: ...}}`")
        return STRING
    return _inner(node.node(key), findings)


def _inner(node: Node, findings: Findings) -> ColumnType:
    for key in _NESTED_RULES:
        if node.get(key) not in (None, False):
            findings.documented_only(node.place(key), f"{key!r} inside a list, struct or map")
    options = node.node("logicalTypeOptions")
    for key in options.data:
        if key not in _TYPE_OPTIONS:
            findings.documented_only(options.place(key), f"{key!r} inside a list, struct or map")
    return column_type(node, findings)


def _refuse_doubles(fields: tuple[Node, ...], findings: Findings) -> None:
    seen: set[str] = set()
    for field in fields:
        name = field.text("name").lower()
        if name in seen:
            findings.error(field.place("name"), f"{field.text('name')!r} is there twice", "names differ in more than case")
        seen.add(name)
