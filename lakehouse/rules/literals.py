"""A value in a contract -> an SQL literal of its column's type, so that nothing is compared through a rounding cast.

Next: `patterns.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal as Exact
from decimal import InvalidOperation
from uuid import UUID

from lakehouse.types import ColumnType, Decimal, Primitive, literal


class UnfitValue(ValueError):
    """A value that its column's type cannot have."""


def typed(value: object, kind: ColumnType) -> str:
    """`value` as SQL of the type `kind`; UnfitValue when it is none of its values."""
    if isinstance(kind, Decimal):
        return number(value)
    if isinstance(kind, Primitive) and kind.name in _WRITERS:
        return _WRITERS[kind.name](value)
    raise UnfitValue(f"values of type {kind} cannot be written in a contract")


def number(value: object) -> str:
    """An exact number: DuckDB reads digits with a point as a decimal."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise UnfitValue(f"{value!r} is no number")
    try:
        exact = Exact(str(value))
    except InvalidOperation:
        raise UnfitValue(f"{value!r} is no number") from None
    if not exact.is_finite():
        raise UnfitValue(f"{value!r} is no finite number")
    return format(exact, "f")


def _floating(kind: str) -> Callable[[object], str]:
    def write(value: object) -> str:
        if not math.isfinite(float(number(value))):
            raise UnfitValue(f"{value!r} does not fit into a floating-point number")
        return f"{literal(number(value))}::{kind}"

    return write


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UnfitValue(f"{value!r} is no text; write it in quotes")
    return literal(value)


def _boolean(value: object) -> str:
    if not isinstance(value, bool):
        raise UnfitValue(f"{value!r} is neither true nor false")
    return "true" if value else "false"


def _date(value: object) -> str:
    return f"DATE {literal(date.fromisoformat(str(value)).isoformat())}"


def _time(value: object) -> str:
    return f"TIME {literal(time.fromisoformat(str(value)).isoformat())}"


def _local(value: object) -> str:
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is not None:
        raise UnfitValue(f"{value!r} has a time zone, its column has none")
    return f"TIMESTAMP {literal(moment.isoformat(sep=' '))}"


def _instant(value: object) -> str:
    moment = datetime.fromisoformat(str(value))
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return f"TIMESTAMPTZ {literal(moment.isoformat(sep=' '))}"


def _uuid(value: object) -> str:
    return f"UUID {literal(str(UUID(str(value))))}"


_WRITERS: dict[str, Callable[[object], str]] = {
    "boolean": _boolean,
    "int": number,
    "long": number,
    "float": _floating("FLOAT"),
    "double": _floating("DOUBLE"),
    "date": _date,
    "time": _time,
    "timestamp": _local,
    "timestamptz": _instant,
    "string": _text,
    "uuid": _uuid,
}
