"""How a text becomes a value of the contract's type, exactly or not at all: the SQL of CSV cells and of texts in Parquet.

DuckDB's own casts bend values silently: `517.6` becomes 518, `1.239` becomes 1.24, the offset of `10:00-05:00` is dropped,
`infinity` is a date. So every text is cast here, and a text whose value the cast has changed is wrong. Next: `csv.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.types import ColumnType, Decimal, ListOf, MapOf, Primitive, StructOf, literal, quote

_DATE = r"\s*0*\d{4}([-/ \\]\d{1,2}){2}\s*"
_SPANS = {
    "date": "BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'",
    "timestamp": "BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999'",
    "timestamptz": "BETWEEN TIMESTAMPTZ '0001-01-01 00:00:00+00' AND TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'",
    "time": "< TIME '24:00:00'",
}
"""What every reader of the table knows; the engine also knows infinity, the years before Christ and the 24th hour."""
_CLOCK = r"\d{1,2}:\d{2}(:\d{2}(\.\d{1,6}0*)?)?"  # a cast would drop what is finer than a microsecond
_WHOLE = r"\s*[+-]?[0-9]+\s*"
_DIGITS = 15  # what a double tells apart
_PATTERNS = {
    "int": _WHOLE,
    "long": _WHOLE,
    "date": _DATE,
    "time": rf"\s*{_CLOCK}\s*",
    "timestamp": rf"{_DATE}([ T]{_CLOCK}\s*)?",
    "timestamptz": rf"{_DATE}([ T]\s*{_CLOCK}([^\d.:].*)?)?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Formats:
    """How a file writes dates, timestamps and the decimal point; None is ISO 8601."""

    date: str | None = None
    timestamp: str | None = None
    decimal: str = "."


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The SQL of one value. `value` is the typed expression; `right` and `wrong` are conditions on it.

    `right` is quick and true for what is written as usual, and for nulls; `wrong` is exact and slow, and not true with `right`.
    """

    value: str
    right: str
    wrong: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """The SQL of a value that is written as usual: `read` makes something of the text, and `value` of that, where `right` holds."""

    read: str
    value: str
    right: str


def cell(text: str, kind: ColumnType, formats: Formats, *, alias: str = "") -> Cell:
    """Cast the SQL expression `text` (a VARCHAR) to `kind`; the conditions call the value by `alias` where it has one."""
    if kind == Primitive("string"):
        return Cell(value=text, right="true", wrong="false")
    value, pattern = _value(text, kind, formats), _pattern(kind, formats)
    known = alias or f"({value})"
    wrong = f"({text} IS NOT NULL AND ({known} IS NULL OR {_misread(text, known, kind, formats)} OR {_bent(text, known, kind, pattern)}))"
    return Cell(value=value, right=f"({_right(text, known, kind, pattern)} OR {text} IS NULL)", wrong=wrong)


def usual(text: str, kind: ColumnType, formats: Formats, *, alias: str) -> Usual:
    """The same for a file without faults; `value` and `right` call by `alias` what was read.

    A decimal is read as a double where that tells all its digits apart, and is not written out again to be compared.
    """
    if isinstance(kind, Decimal) and kind.precision <= _DIGITS and formats.decimal == ".":
        value = f"try_cast({alias} AS {kind.duckdb})"
        right = f"({_same_number(text, alias, value)} OR {_right(text, value, kind, None)} OR {text} IS NULL)"
        return Usual(read=_double(text), value=value, right=right)
    known = cell(text, kind, formats, alias=alias)
    return Usual(read=known.value, value=alias, right=known.right)


def _value(text: str, kind: ColumnType, formats: Formats) -> str:
    custom = _format(kind, formats)
    if custom:
        return f"{_parsed(text, custom)}::{kind.duckdb}"
    comma = formats.decimal == "," and _fractional(kind)
    source = f"CASE WHEN contains({text}, '.') THEN NULL ELSE replace({text}, ',', '.') END" if comma else text
    if isinstance(kind, Decimal):  # the cast to a decimal loses digits of what has an exponent
        return f"CASE WHEN regexp_matches({text}, '[eE_]') THEN {_cast(_double(source), kind)} ELSE {_cast(source, kind)} END"
    return _cast(source, kind)


def _right(text: str, value: str, kind: ColumnType, pattern: str | None) -> str:
    if (not pattern and _dated(kind)) or not isinstance(kind, Primitive | Decimal):
        return "false"  # each is looked at: a declared format reads 'infinity' as a day in 1900, and parts of a list are bent as well
    match kind:
        case Decimal():
            return f"starts_with({value}::VARCHAR, {text})"  # 17 and 17.5 are the beginnings of 17.00 and 17.50
        case Primitive("date"):
            # ten characters, the first a digit, are four for the year and two for each of the others: no time was dropped
            return f"{value} {_SPANS['date']} AND strlen({text}) = 10 AND {text} BETWEEN '0' AND ':'"
        case Primitive("timestamp" | "timestamptz" | "time" as name):
            return f"{value} {_SPANS[name]} AND ({value}::VARCHAR = {text}{_or_iso(text, value, kind)})"
        case Primitive("float" | "double"):
            return f"isfinite({value}) AND {_unsigned(text)} AND ({value} <> 0 OR strlen({text}) < 6)"
        case _:
            return f"{value}::VARCHAR = {text}" if pattern else f"{value} IS NOT NULL"


def _unsigned(text: str) -> str:
    """Whether a text begins with a minus sign, a point or a digit: the engine reads `+-5` as -5."""
    return f"{text} >= '-'"


def _double(text: str) -> str:
    return f"try_cast({text} AS DOUBLE)"


def _same_number(text: str, double: str, value: str) -> str:
    """Whether a text is exactly its value: two numbers of up to 15 digits are the same if their doubles are.

    Of 16 characters at least one is no digit: a decimal of 15 digits has no room for 16, and what is written otherwise has an `e`
    or a `_`. What is too small for a double is zero there: the shortest such text is `1e-324`.
    """
    same = f"{value}::DOUBLE = {double}"
    short = f"(strlen({text}) < 6 OR strlen({text}) <= {_DIGITS + 1} AND {double} <> 0)"
    return f"({same} AND {_unsigned(text)} AND {short})"


def _or_iso(text: str, value: str, kind: ColumnType) -> str:
    """Instants are also written with a T, with digits that are zero and, in UTC, with a Z. What the cast would drop is none of these."""
    forms = {"timestamp": (".0", f"{value}::VARCHAR"), "timestamptz": (".0Z", f"left({value}::VARCHAR, -3)")}
    if str(kind) not in forms:
        return ""
    ends, shown = forms[str(kind)]
    return f" OR rtrim(replace({text}, 'T', ' '), '{ends}') = rtrim({shown}, '.0')"


def _parsed(text: str, custom: str) -> str:
    return f"try_strptime({text}, {literal(custom)})"


def _misread(text: str, value: str, kind: ColumnType, formats: Formats) -> str:
    """Whether a declared format reads more than the type holds: nanoseconds, the time of a date, the offset of what has no zone."""
    custom = _format(kind, formats)
    if not custom:
        return "false"
    if kind != Primitive("timestamptz") and "%z" in custom.replace("%%", "").lower():
        return "true"
    return f"{_parsed(text, custom)} <> {value}"


def _bent(text: str, value: str, kind: ColumnType, pattern: str | None) -> str:
    """Whether the cast gave another value than the text says."""
    if not isinstance(kind, Primitive | Decimal):
        return _bent_part(f"TRY({text}::{_texts(kind).duckdb})", kind)
    beyond = f"({value} {_SPANS[kind.name]}) IS NOT TRUE OR " if isinstance(kind, Primitive) and kind.name in _SPANS else ""
    special = f"lower(trim({text})) IN ('infinity', '-infinity', 'epoch') OR " if _dated(kind) else ""
    shape = f"NOT regexp_full_match({text}, {literal(pattern)})" if pattern else "false"
    if kind in (Primitive("float"), Primitive("double")):
        lost = f"{value} = 0 AND regexp_matches({text}, '^[^eE]*[1-9]') OR NOT isfinite({value}) AND regexp_matches({text}, '[0-9]')"
        shape = f"starts_with(ltrim({text}), '+-') OR {lost}"
    other = f" AND {_same_number(text, _double(text), value)} IS NOT TRUE" if isinstance(kind, Decimal) else ""
    return f"({beyond}{special}{shape}{other})"


def _bent_part(parts: str, kind: ColumnType, depth: int = 0) -> str:
    """The same of what stands in a list, a struct or a map: `parts` has its shape, with texts for values."""
    match kind:
        case ListOf(element):
            part = f"part{depth}"
            return f"len(list_filter({parts}, lambda {part}: {_bent_part(part, element, depth + 1)})) > 0"
        case StructOf(fields):
            return " OR ".join(f"coalesce({_bent_part(f'({parts}).{quote(name)}', field, depth)}, false)" for name, field in fields)
        case MapOf(key, value):
            both = (_bent_part(f"map_keys({parts})", ListOf(key), depth), _bent_part(f"map_values({parts})", ListOf(value), depth))
            return " OR ".join(f"coalesce({one}, false)" for one in both)
    return cell(parts, kind, Formats()).wrong


def _texts(kind: ColumnType) -> ColumnType:
    """A type's shape, with texts for values."""
    match kind:
        case ListOf(element):
            return ListOf(_texts(element))
        case StructOf(fields):
            return StructOf(tuple((name, _texts(field)) for name, field in fields))
        case MapOf(key, value):
            return MapOf(_texts(key), _texts(value))
    return Primitive("string")


def _cast(source: str, kind: ColumnType) -> str:
    """A cast that fails as a whole: try_cast of a list would null the one element that is wrong."""
    simple = isinstance(kind, Primitive | Decimal)
    return f"try_cast({source} AS {kind.duckdb})" if simple else f"TRY({source}::{kind.duckdb})"


def _format(kind: ColumnType, formats: Formats) -> str | None:
    if kind == Primitive("date"):
        return formats.date
    return formats.timestamp if kind in (Primitive("timestamp"), Primitive("timestamptz")) else None


def _fractional(kind: ColumnType) -> bool:
    return isinstance(kind, Decimal) or kind in (Primitive("float"), Primitive("double"))


def _dated(kind: ColumnType) -> bool:
    return kind in (Primitive("date"), Primitive("timestamp"), Primitive("timestamptz"))


def _pattern(kind: ColumnType, formats: Formats) -> str | None:
    """How a text of this type is written; None where the cast alone decides."""
    if isinstance(kind, Decimal):
        return rf"\s*[+-]?[0-9]*([{formats.decimal}][0-9]{{0,{kind.scale}}}0*)?\s*"
    return _PATTERNS.get(kind.name) if isinstance(kind, Primitive) and not _format(kind, formats) else None
