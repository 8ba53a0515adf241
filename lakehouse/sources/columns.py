"""Which column of a file is which column of the contract, by name; what is missing and what is too many. Next: `csv.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from lakehouse.declare.contract import Column, Contract
from lakehouse.errors import BatchRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """For each column of the contract its position in a file of `width` columns; `extra` are the names nobody asked for."""

    positions: tuple[int, ...]
    width: int
    extra: tuple[str, ...]


def name_in_file(column: Column) -> str:
    """What the file calls the column."""
    return column.physical_name or column.name


def match(file: str, header: Sequence[str], contract: Contract) -> Matched:
    """Find the contract's columns in a file's header; BatchRefused when one is missing or there twice."""
    wanted = [name_in_file(c) for c in contract.columns]
    for name in wanted:
        if header.count(name) != 1:
            raise _refused(file, name, header, wanted)
    extra = tuple(name for name in header if name not in wanted)
    return Matched(positions=tuple(header.index(name) for name in wanted), width=len(header), extra=extra)


def _refused(file: str, name: str, header: Sequence[str], wanted: Sequence[str]) -> BatchRefused:
    if name in header:
        return BatchRefused(f"column {name!r} is there {header.count(name)} times", hint="deliver each column once", place=file)
    return missing(file, name, [n for n in header if n not in wanted])


def missing(file: str, name: str, others: Sequence[str]) -> BatchRefused:
    """The error for a column that is not in the file, with the nearest name that is."""
    near = get_close_matches(name.lower(), [n.lower() for n in others], n=1)
    meant = next((n for n in others if near and n.lower() == near[0]), None)
    if meant:
        hint = f"did the column become {meant!r}? Then set its physicalName"
    elif others:
        hint = f"the file has {', '.join(others)} beside what is declared; physicalName says what it calls a column"
    else:
        hint = "deliver the column, or take it out of the input port's contract"
    return BatchRefused(f"column {name!r} is missing", hint=hint, place=file)
