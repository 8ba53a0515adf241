"""How a text becomes a value of the contract's type, exactly or not at all: the SQL that CSV cells and JSON scalars share.

DuckDB's own casts bend values silently: `517.6` becomes 518, `1.239` becomes 1.24, the offset of `10:00-05:00` is dropped,
`infinity` is a date. So every text is cast here, and a text whose value the cast has changed is wrong. Next: `csv.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.types import ColumnType, Decimal, Primitive, literal

_DATE = r"\s*\d{4}-\d{1,2}-\d{1,2}\s*"
_CLOCK = r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?"
_WHOLE = r"\s*[+-]?[0-9]+\s*"
_PATTERNS = {
    "int": _WHOLE,
    "long": _WHOLE,
    "date": _DATE,
    "time": rf"\s*{_CLOCK}\s*",
    "timestamp": rf"{_DATE}([ T]{_CLOCK}\s*)?",
    "timestamptz": rf"{_DATE}([ T]\s*{_CLOCK}.*)?",
}
_SPECIAL = "lower(trim({text})) in ('infinity', '-infinity', 'epoch')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Formats:
    """How a file writes dates, timestamps and the decimal point; None is ISO 8601."""

    date: str | None = None
    timestamp: str | None = None
    decimal: str = "."


@dataclass(frozen=True, slots=True)
class Cell:
    """`value` is the typed SQL expression; `wrong` is true where the text is there and has no such value."""

    value: str
    wrong: str


def cell(text: str, kind: ColumnType, formats: Formats) -> Cell:
    """Cast the SQL expression `text` (a VARCHAR) to `kind`."""
    if kind == Primitive("string"):
        return Cell(text, "false")
    if custom := _format(kind, formats):
        return _parsed(text, kind, custom)
    source = _with_point(text) if formats.decimal == "," and _fractional(kind) else text
    value = _cast(source, kind)
    pattern = _pattern(kind)
    if pattern is None:
        return Cell(value, f"({text} IS NOT NULL AND {value} IS NULL)")
    # Most texts are written the way DuckDB writes the value; the pattern is tried only for the others, for it is slow.
    exact = f"({value})::VARCHAR = {source} OR regexp_full_match({source}, {literal(pattern)})"
    return Cell(value, f"({text} IS NOT NULL AND ({value} IS NULL OR {_infinite(value, kind)}NOT ({exact})))")


def _cast(source: str, kind: ColumnType) -> str:
    """A cast that fails as a whole: try_cast of a list would null the one element that is wrong."""
    simple = isinstance(kind, Primitive | Decimal)
    return f"try_cast({source} AS {kind.duckdb})" if simple else f"TRY({source}::{kind.duckdb})"


def _format(kind: ColumnType, formats: Formats) -> str | None:
    if kind == Primitive("date"):
        return formats.date
    return formats.timestamp if kind in (Primitive("timestamp"), Primitive("timestamptz")) else None


def _parsed(text: str, kind: ColumnType, custom: str) -> Cell:
    value = f"try_strptime({text}, {literal(custom)})::{kind.duckdb}"
    return Cell(value, f"({text} IS NOT NULL AND ({value} IS NULL OR {_SPECIAL.format(text=text)}))")


def _fractional(kind: ColumnType) -> bool:
    return isinstance(kind, Decimal) or kind in (Primitive("float"), Primitive("double"))


def _with_point(text: str) -> str:
    return f"CASE WHEN contains({text}, '.') THEN NULL ELSE replace({text}, ',', '.') END"


def _pattern(kind: ColumnType) -> str | None:
    if isinstance(kind, Decimal):
        return rf"\s*[+-]?[0-9]*([.][0-9]{{0,{kind.scale}}}0*)?\s*"
    return _PATTERNS.get(kind.name) if isinstance(kind, Primitive) else None


def _infinite(value: str, kind: ColumnType) -> str:
    dated = kind in (Primitive("date"), Primitive("timestamp"), Primitive("timestamptz"))
    return f"NOT isfinite({value}) OR " if dated else ""
