"""Which input columns does an output column come from, and how is that known?

SQL is read by sqlglot, which is imported only then; a function is not read, its columns are matched by name.
Next: `lineage/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Method = Literal["name", "sqlglot"]
Change = Literal["IDENTITY", "TRANSFORMATION", "AGGREGATION"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSource:
    """A column that an output column is computed from.

    `certain` is false where a name alone points at several inputs; `change` is OpenLineage's subtype of a direct transformation.
    """

    dataset: str
    column: str
    method: Method
    change: Change
    certain: bool = True
