"""How a text becomes a value of the contract's type, exactly or not at all: the SQL that CSV cells and JSON scalars share.

DuckDB's own casts bend values silently: `517.6` becomes 518, `1.239` becomes 1.24, the offset of `10:00-05:00` is dropped,
`infinity` is a date. So every text is cast here, and a text whose value the cast has changed is wrong. Next: `csv.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.types import ColumnType, Decimal, Primitive, literal

_DATE = r"\s*\d{4}-\d{1,2}-\d{1,2}\s*"
_CLOCK = r"\d{1,2}:\d{2}(:\d{2}(\.\d{1,6}0*)?)?"  # a cast would drop what is finer than a microsecond
_WHOLE = r"\s*[+-]?[0-9]+\s*"
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

    `right` is quick and true for what is written as DuckDB writes it, and for nulls; `wrong` is exact and slow.
    """

    value: str
    right: str
    wrong: str


def cell(text: str, kind: ColumnType, formats: Formats, *, alias: str = "") -> Cell:
    """Cast the SQL expression `text` (a VARCHAR) to `kind`; the conditions call the value by `alias` where it has one."""
    if kind == Primitive("string"):
        return Cell(value=text, right="true", wrong="false")
    value, pattern = _value(text, kind, formats), _pattern(kind, formats)
    known = alias or f"({value})"
    wrong = f"({text} IS NOT NULL AND ({known} IS NULL OR {_bent(text, known, kind, pattern)}))"
    return Cell(value=value, right=_right(text, known, kind, pattern), wrong=wrong)


def _value(text: str, kind: ColumnType, formats: Formats) -> str:
    custom = _format(kind, formats)
    if custom:
        return f"try_strptime({text}, {literal(custom)})::{kind.duckdb}"
    comma = formats.decimal == "," and _fractional(kind)
    return _cast(f"CASE WHEN contains({text}, '.') THEN NULL ELSE replace({text}, ',', '.') END" if comma else text, kind)


def _right(text: str, value: str, kind: ColumnType, pattern: str | None) -> str:
    if isinstance(kind, Decimal):
        same = f"starts_with({value}::VARCHAR, {text})"  # 17 and 17.5 are the beginnings of 17.00 and 17.50
    elif not _dated(kind):
        same = f"{value}::VARCHAR = {text}" if pattern else f"nullif({value} IS NOT NULL, false)"
    elif pattern:
        same = f"isfinite({value}) AND ({value}::VARCHAR = {text}{_or_iso(text, value, kind)})"
    else:
        same = "NULL"  # a declared format reads 'infinity' as a day in 1900: each text is looked at
    return f"coalesce({same}, {text} IS NULL)"


def _or_iso(text: str, value: str, kind: ColumnType) -> str:
    """Instants are also written with a T, with digits that are zero and, in UTC, with a Z. What the cast would drop is none of these."""
    forms = {"timestamp": (".0", f"{value}::VARCHAR"), "timestamptz": (".0Z", f"left({value}::VARCHAR, -3)")}
    if str(kind) not in forms:
        return ""
    ends, shown = forms[str(kind)]
    return f" OR rtrim(replace({text}, 'T', ' '), '{ends}') = rtrim({shown}, '.0')"


def _bent(text: str, value: str, kind: ColumnType, pattern: str | None) -> str:
    """Whether the cast gave another value than the text says."""
    special = f"lower(trim({text})) IN ('infinity', '-infinity', 'epoch') OR NOT isfinite({value}) OR " if _dated(kind) else ""
    shape = f"NOT regexp_full_match({text}, {literal(pattern)})" if pattern else "false"
    return f"{special}{shape}"


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
