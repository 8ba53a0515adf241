"""What is in files of JSON lines: the narrowest type that the reader accepts for every value seen of a key."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal as Number
from itertools import islice
from pathlib import Path

from lakehouse.infer import Seen, Survey
from lakehouse.sources.values import reader
from lakehouse.types import ColumnType, Decimal, ListOf, Primitive, StructOf

_PLAIN: Sequence[tuple[ColumnType, str]] = (
    (Primitive("boolean"), "all values are true or false"),
    (Primitive("long"), "all values are whole numbers"),
    (Decimal(38, 0), "all values are whole numbers, some too long for a long"),
    (Primitive("double"), "all values are numbers"),
    (Primitive("date"), "all values are dates"),
    (Primitive("timestamp"), "all values are timestamps without a zone"),
    (Primitive("timestamptz"), "all values are timestamps with a zone"),
    (Primitive("uuid"), "all values are UUIDs"),
    (Primitive("string"), "texts"),
)
_HYPHENATED = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def survey(files: Sequence[Path], sample_rows: int) -> Survey:
    """Look at every key of the first rows; lines that are no objects are left out."""
    rows = list(islice(_objects(files), sample_rows))
    keys = list(dict.fromkeys(key for row in rows for key in row))
    seen = [_seen(key, rows) for key in keys]
    return Survey(
        columns=[s for s in seen if not _hollow(s.type)],
        rows=len(rows),
        notes=[f"column {s.name!r} holds objects without anything in them and was left out" for s in seen if _hollow(s.type)],
    )


def _objects(files: Sequence[Path]) -> Iterator[Mapping[str, object]]:
    for file in files:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            for line in lines:
                found = _parsed(line)
                if isinstance(found, dict):
                    yield found


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line.decode("utf-8-sig"), parse_float=Number)
    except (ValueError, RecursionError):
        return None


def _seen(key: str, rows: Sequence[Mapping[str, object]]) -> Seen:
    values = [row[key] for row in rows if row.get(key) is not None]
    kind, reason = _type(values)
    distinct = len({json.dumps(value, default=str, sort_keys=True) for value in values})
    return Seen(name=key, type=kind, filled=len(values), distinct=distinct, reason=reason)


def _type(values: Sequence[object]) -> tuple[ColumnType, str]:
    if not values:
        return Primitive("string"), "no value was seen"
    if all(isinstance(value, dict) for value in values):
        return _struct(values), "all values are objects"
    if all(isinstance(value, list) for value in values):
        items = [item for value in values if isinstance(value, list) for item in value if item is not None]
        return ListOf(_type(items)[0]), "all values are lists"
    return next(
        (found for found in _PLAIN if _all(found[0], values)), (Primitive("string"), "mixed: values that are no texts will be rejected")
    )


def _struct(values: Sequence[object]) -> ColumnType:
    objects = [value for value in values if isinstance(value, dict)]
    names = dict.fromkeys(name for value in objects for name in value)
    parts = ((name, _type([o[name] for o in objects if o.get(name) is not None])[0]) for name in names)
    return StructOf(tuple((name, kind) for name, kind in parts if not _hollow(kind)))


def _hollow(kind: ColumnType) -> bool:
    """Whether there is nothing in it that could be stored: an object of which only `{}` was seen, or a list of such."""
    return kind == StructOf(()) or (isinstance(kind, ListOf) and _hollow(kind.element))


def _all(kind: ColumnType, values: Sequence[object]) -> bool:
    if kind == Primitive("uuid") and not all(isinstance(v, str) and _HYPHENATED.fullmatch(v) for v in values):
        return False
    if isinstance(kind, Decimal) and not all(isinstance(v, int) for v in values):
        return False
    read = reader(kind)
    try:
        for value in values:
            read(value)
    except (ValueError, ArithmeticError):
        return False
    return True
