"""Which columns of one contract come from those of another, and whether the two are partitioned alike.

Next: `crosscheck.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse.declare.contract import Column, Contract

ALIKE = "by the same columns in the same order; `transformSourceObjects` tells what a column of another name is made of"


def made_of(column: Column, contract: Contract) -> Iterator[Column]:
    """The columns of `contract` that a column is made of: those its `transformSourceObjects` name, else the one of its name."""
    own = f"{contract.address}."
    names = {s.removeprefix(own) for s in column.sources if s.startswith(own)}
    for candidate in contract.columns:
        if candidate.name in names or (not column.sources and candidate.name == column.name):
            yield candidate


def parted_alike(reader: Contract, read: Contract) -> bool:
    """Whether the partitions of `read` are those of `reader`: the same columns in the same order, of one type, by one transform."""
    pairs = [*zip(reader.partitions, read.partitions, strict=False)]
    return len(reader.partitions) == len(read.partitions) and all(
        (mine.type, mine.partition) == (theirs.type, theirs.partition) and _is(mine, theirs, read) for mine, theirs in pairs
    )


def _is(mine: Column, theirs: Column, contract: Contract) -> bool:
    named = any(s.startswith(f"{contract.address}.") for s in mine.sources)
    return theirs in made_of(mine, contract) or (not named and mine.name == theirs.name)
