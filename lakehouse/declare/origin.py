"""Which columns of one contract come from those of another, and whether whole partitions of it make whole partitions here.

Next: `crosscheck.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse.declare.contract import Column, Contract
from lakehouse.types import Primitive

_UNITS = ("year", "month", "day", "hour")


def made_of(column: Column, contract: Contract) -> Iterator[Column]:
    """The columns of `contract` that a column is made of: those its `transformSourceObjects` name, else the one of its name."""
    own = f"{contract.address}."
    names = {s.removeprefix(own) for s in column.sources if s.startswith(own)}
    for candidate in contract.columns:
        if candidate.name in names or (not column.sources and candidate.name == column.name):
            yield candidate


def unfollowed(reader: Contract, read: Contract) -> Column | None:
    """A partition column of `read` that no partition of `reader` is made of, as finely: a partition there gets rows of several here."""
    for column in read.partitions:
        if not any(column in made_of(mine, read) and _as_fine(mine, column) for mine in reader.partitions):
            return column
    return None


def _as_fine(mine: Column, theirs: Column) -> bool:
    here, there = _transform(mine), _transform(theirs)
    by_time = here in _UNITS and there in _UNITS
    return mine.partition == "identity" or here == there or (by_time and _UNITS.index(here) >= _UNITS.index(there))


def _transform(column: Column) -> str:
    return "day" if column.partition == "identity" and column.type == Primitive("date") else str(column.partition)
