"""What consumers may rely on: a data contract (ODCS 3.2) as the platform executes it.

These are meanings, frozen and engine-free; `declare/` compiles them from YAML, `rules.py` turns them into rules and
`schema.py` into an Iceberg schema. Next: `product.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lakehouse.address import Address
from lakehouse.errors import Severity
from lakehouse.types import ColumnType

Scalar = str | int | float | bool | None
Classification = Literal["public", "internal", "confidential", "restricted"]
CLASSIFICATIONS: tuple[Classification, ...] = ("public", "internal", "confidential", "restricted")
Scope = Literal["batch", "partitions", "port"]
Operator = Literal[
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something is declared: `file` relative to the mesh's root, JSON path, line from 1."""

    file: str
    path: str = "$"
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRule:
    """One entry of `quality`, as declared. `column` is None on the schema level.

    kind library: `metric` with `arguments`; kind sql: `query`, or `row_expression` (vendor lakemesh), true for a good row.
    `text` and `custom` are documented only. `threshold` is a pair for the between operators.
    """

    name: str
    kind: Literal["library", "sql", "text", "custom"]
    column: str | None = None
    metric: str | None = None
    arguments: Mapping[str, object] = field(default_factory=dict)
    query: str | None = None
    row_expression: str | None = None
    operator: Operator | None = None
    threshold: Scalar | tuple[float, float] = None
    unit: Literal["rows", "percent"] = "rows"
    severity: Severity = "error"
    scope: Scope | None = None
    dimension: str | None = None
    description: str = ""
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Relationship:
    """A foreign key: `columns` here point at `to_columns` of `to`."""

    name: str
    columns: tuple[str, ...]
    to: Address
    to_columns: tuple[str, ...]
    severity: Severity = "error"
    scope: Scope | None = None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`logicalTypeOptions` that are executed as row rules (`allow_nan` is vendor lakemesh)."""

    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    format: str | None = None
    minimum: Scalar = None
    maximum: Scalar = None
    exclusive_minimum: Scalar = None
    exclusive_maximum: Scalar = None
    multiple_of: float | None = None
    min_items: int | None = None
    max_items: int | None = None
    unique_items: bool = False
    allow_nan: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A property of the contract. `partition` is an Iceberg transform: identity, year, month, day, hour, bucket[N], truncate[N]."""

    name: str
    type: ColumnType
    required: bool = False
    unique: bool = False
    key_position: int | None = None
    partition: str | None = None
    classification: Classification = "restricted"
    classified: bool = False
    enum: tuple[Scalar, ...] = ()
    options: Options = Options()
    description: str = ""
    business_name: str = ""
    physical_name: str = ""
    tags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevel:
    """One entry of `slaProperties`."""

    property: str
    value: Scalar
    unit: str | None = None
    element: str | None = None
    schedule: str | None = None
    description: str = ""
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineLimit:
    """A batch is blocked when more than `percent` of its rows and more than `rows` rows would be set aside."""

    percent: float = 10.0
    rows: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A compiled data contract. Columns stand in the order of the contract, partition columns included."""

    address: Address
    version: str
    columns: tuple[Column, ...]
    quality: tuple[QualityRule, ...] = ()
    relationships: tuple[Relationship, ...] = ()
    service_levels: tuple[ServiceLevel, ...] = ()
    servers: tuple[str, ...] = ()
    quarantine: QuarantineLimit = QuarantineLimit()
    description: str = ""
    place: Place

    @property
    def key(self) -> tuple[str, ...]:
        """The primary key's columns in their order; empty when none is declared."""
        keyed = [c for c in self.columns if c.key_position is not None]
        return tuple(c.name for c in sorted(keyed, key=lambda c: c.key_position or 0))

    @property
    def partitions(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if c.partition is not None)

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def column(self, name: str) -> Column:
        """The column called `name`; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)
