"""How an answer looks: JSON for programs, aligned text for people; colours and boxes only on a terminal.

JSON keeps what it is given exactly: instants in UTC with a Z, decimals as the digits they have, no number where there is none (NaN: null).
"""

from __future__ import annotations

import base64
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal


def to_json(value: object) -> str:
    """`value` as JSON; what JSON has no type for becomes text."""
    match value:
        case None | bool() | int() | str():
            return json.dumps(value, ensure_ascii=False)
        case float():
            return repr(value) if math.isfinite(value) else "null"
        case Decimal():
            return format(value, "f") if value.is_finite() else "null"
        case Mapping():
            return "{" + ", ".join(f"{to_json(str(key))}: {to_json(below)}" for key, below in value.items()) + "}"
        case list() | tuple() | set() | frozenset():
            return "[" + ", ".join(map(to_json, value)) + "]"
        case _:
            return json.dumps(text(value), ensure_ascii=False)


def text(value: object) -> str:
    """A value as a person reads it: ISO dates, instants in UTC with a Z."""
    match value:
        case None | bool():
            return "" if value is None else str(value).lower()
        case datetime():
            return instant(value) if value.tzinfo else value.isoformat()
        case date() | time():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case list() | dict():
            return to_json(value)
        case _:
            return str(value)


def instant(at: datetime) -> str:
    """An instant in UTC: `2013-01-01T10:29:00Z`."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their columns: a box on a terminal, aligned text elsewhere."""
    cells = [[text(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        _box(columns, cells)
    else:
        _aligned(columns, cells)


def _aligned(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    lines = [list(columns), *([_one_line(c) for c in row] for row in cells)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n")


def _one_line(cell: str) -> str:
    return " ".join(cell.splitlines())


def _box(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, header_style="bold")
    for column in columns:
        shown.add_column(Text(column), overflow="fold")
    for row in cells:
        shown.add_row(*map(Text, row))
    Console().print(shown)


def line(words: str) -> None:
    """Print one line of an answer."""
    sys.stdout.write(words + "\n")


def number(value: int, noun: str) -> str:
    """`1 row`, `2,048 rows`."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"
