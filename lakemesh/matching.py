"""Are these the rows that were expected? Compared as multisets, on the columns that an expectation names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from lakemesh.render import to_json

Row = Mapping[str, object]


def difference(port: str, expected: Sequence[Row], actual: Sequence[Row]) -> list[str]:
    """What is missing and what is too many, a line each; nothing when they match."""
    left = list(actual)
    missing = []
    # what names most columns is least easily matched, so it chooses first
    for row in sorted(expected, key=len, reverse=True):
        found = next((there for there in left if _fits(row, there)), None)
        if found is None:
            missing.append(row)
        else:
            left.remove(found)
    return [*_told(port, missing, left)]


def _fits(expected: Row, actual: Row) -> bool:
    return all(_equal(value, actual.get(name)) for name, value in expected.items())


def _equal(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9) or (math.isnan(one) and math.isnan(other))
    return one == other


def _told(port: str, missing: Sequence[Row], left: Sequence[Row]) -> Iterator[str]:
    """A missing row beside the one that comes nearest to it."""
    spare = list(left)
    for row in missing:
        near = max(spare, key=lambda there: sum(_equal(v, there.get(n)) for n, v in row.items()), default=None)
        if near is None:
            yield f"{port}: missing {to_json(row)}"
            continue
        spare.remove(near)
        wrong = [f"{n}: expected {to_json(v)}, got {to_json(near.get(n))}" for n, v in row.items() if not _equal(v, near.get(n))]
        same = {n: v for n, v in row.items() if _equal(v, near.get(n))}
        yield f"{port}: {'; '.join(wrong)} in {to_json(dict(list(same.items())[:4]))}"
    for row in spare:
        yield f"{port}: not expected {to_json({n: v for n, v in row.items() if v is not None})}"
