"""Which name a column gets: lower snake case, a legal name of the mesh, different from its neighbours'."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from lakehouse.address import RESERVED


def column_names(headers: Sequence[str]) -> tuple[str, ...]:
    """A name for each header, in order."""
    taken: list[str] = []
    for position, header in enumerate(headers, 1):
        name = _snake(header) or f"column_{position}"
        taken.append(_free(name + "_" if name in RESERVED else name, taken))
    return tuple(taken)


def _snake(header: str) -> str:
    plain = unicodedata.normalize("NFKD", header).encode("ascii", "ignore").decode()
    words = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3_\2\4", plain)
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    return f"column_{name}" if name[:1].isdigit() else name


def _free(name: str, taken: Sequence[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free = f"{name.rstrip('_')}_{number}"
        number += 1
    return free
