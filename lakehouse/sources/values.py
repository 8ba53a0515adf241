"""What a JSON value must be for each type of the contract, and what it becomes. ValueError when it is something else.

Dates and instants are ISO 8601 texts, decimals numbers or texts, bytes are base64, maps are objects. An instant without an
offset is UTC; a zoneless timestamp with one is refused.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Context
from decimal import Decimal as Number
from uuid import UUID

from lakehouse.types import ColumnType, Decimal, ListOf, MapOf, Primitive, PrimitiveName, StructOf

Read = Callable[[object], object]
_EXACTLY = Context(prec=400)
"""Python's own context calculates with 28 digits; a decimal(38) has more."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_CLOCK = re.compile(r"\d{2}:\d{2}(:\d{2}(\.\d+)?)?")
_TOO_FINE = re.compile(r"[.,]\d{6}0*[1-9]")
"""Finer than a microsecond, which Python would drop."""
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")


def reader(kind: ColumnType) -> Read:
    """The function that turns a JSON value, not null, into a value of `kind`."""
    if isinstance(kind, Primitive):
        return _PRIMITIVES[kind.name]
    if isinstance(kind, Decimal):
        return _decimal(kind)
    if isinstance(kind, ListOf):
        return _list(reader(kind.element))
    if isinstance(kind, MapOf):
        return _map(reader(kind.key), reader(kind.value))
    return _struct(kind)


def _list(element: Read) -> Read:
    def read(value: object) -> object:
        if not isinstance(value, list):
            raise ValueError
        return [_nullable(element, item) for item in value]

    return read


def _map(key: Read, item: Read) -> Read:
    return lambda value: [(_key(key, name), _nullable(item, part)) for name, part in _object(value).items()]


def _struct(kind: StructOf) -> Read:
    fields = {name: reader(field) for name, field in kind.fields}
    return lambda value: {name: _nullable(read, _object(value).get(name)) for name, read in fields.items()}


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError
    return value


def _nullable(read: Read, value: object) -> object:
    return None if value is None else read(value)


def _key(read: Read, name: str) -> object:
    """The keys of objects are texts, so that a number's key is its text."""
    try:
        return read(name)
    except ValueError:
        return read(int(name))


def _decimal(kind: Decimal) -> Read:
    bound, unit = Number(10) ** (kind.precision - kind.scale), Number(1).scaleb(-kind.scale)

    def read(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | str | Number):
            raise ValueError
        number = Number(value)
        if not number.is_finite() or number.copy_abs() >= bound or _EXACTLY.remainder(number, unit):
            raise ValueError
        return number

    return read


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    value.encode("utf-8")
    return value


def _boolean(value: object) -> object:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _whole(bits: int) -> Read:
    def read(value: object) -> object:
        if not isinstance(value, int) or isinstance(value, bool) or not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise ValueError
        return value

    return read


def _float(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | Number):
        raise ValueError
    return float(value)


def _shaped(pattern: re.Pattern[str], value: object) -> str:
    text = _text(value)
    if not pattern.fullmatch(text) or _TOO_FINE.search(text):
        raise ValueError
    return text


def _timestamp(value: object) -> object:
    found = datetime.fromisoformat(_shaped(_MOMENT, value))
    if found.tzinfo is not None:
        raise ValueError
    return found


def _instant(value: object) -> object:
    found = datetime.fromisoformat(_shaped(_MOMENT, value))
    return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)


_PRIMITIVES: Mapping[PrimitiveName, Read] = {
    "boolean": _boolean,
    "int": _whole(32),
    "long": _whole(64),
    "float": _float,
    "double": _float,
    "date": lambda value: date.fromisoformat(_shaped(_DATE, value)),
    "time": lambda value: time.fromisoformat(_shaped(_CLOCK, value)),
    "timestamp": _timestamp,
    "timestamptz": _instant,
    "string": _text,
    "uuid": lambda value: str(UUID(_text(value))),
    "binary": lambda value: base64.b64decode(_text(value), validate=True),
}
