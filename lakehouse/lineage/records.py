"""What has to be known about a run to tell its lineage. Frozen; times are aware, locations are URIs or absolute paths.

Next: `events.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from lakehouse.address import Address
from lakehouse.columns import ColumnSource
from lakehouse.declare.contract import Contract
from lakehouse.gate import RuleResult
from lakehouse.types import ColumnType, ListOf, StructOf

Lifecycle = Literal["ALTER", "CREATE", "DROP", "OVERWRITE", "RENAME", "TRUNCATE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A column as consumers see it; `fields` are a struct's parts."""

    name: str
    type: str
    description: str = ""
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDataset:
    """What a run read: a port (with `address`) at its pin, or the files of a delivery. `name` is the input port's name."""

    name: str
    location: str
    address: Address | None = None
    snapshot_id: int | None = None
    publication: str | None = None
    fields: tuple[Field, ...] = ()
    rows: int | None = None
    bytes: int | None = None
    files: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputDataset:
    """A port that a run wrote. `snapshot_id` is None when nothing was published.

    `columns` maps an output column to its sources, whose `dataset` is the name of an input or of a sibling output.
    """

    address: Address
    location: str
    snapshot_id: int | None = None
    fields: tuple[Field, ...] = ()
    description: str = ""
    rows: int | None = None
    bytes: int | None = None
    files: int | None = None
    lifecycle: Lifecycle | None = None
    rules: tuple[RuleResult, ...] = ()
    columns: Mapping[str, tuple[ColumnSource, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.address.port


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentRun:
    """The run that started this one, such as Dagster's; `root` is None when it was started by nobody else."""

    run_id: UUID
    job: str
    root: ParentRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NominalTime:
    """The time a run is about: `end` is excluded."""

    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLocation:
    """Where the product's code stands. `url` leads to it, `path` is its folder there; what cannot be loaded has no version."""

    url: str
    path: str
    version: str | None
    repository: str | None = None
    kind: str = "git"


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """The Iceberg catalog; `kind` in Iceberg's own words (jdbc, rest, hive)."""

    name: str
    uri: str
    warehouse: str
    kind: str = "jdbc"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One attempt to publish a product, and how it ended.

    `run_id` is its own: an attempt has one START and one terminal event, so a run that publishes five batches is five
    attempts with one `parent`. `namespace` holds the mesh's jobs; `version` is the platform's.
    """

    namespace: str
    product: Address
    run_id: UUID
    started: datetime
    ended: datetime
    outcome: Literal["complete", "fail"]
    error: str | None = None
    parent: ParentRun | None = None
    nominal: NominalTime | None = None
    inputs: tuple[InputDataset, ...]
    outputs: tuple[OutputDataset, ...]
    catalog: Catalog
    owners: tuple[str, ...] = ()
    description: str = ""
    code: CodeLocation | None = None
    sql: str | None = None
    version: str


def fields(contract: Contract) -> tuple[Field, ...]:
    """The columns that a contract promises."""
    return tuple(_field(column.name, column.type, column.description) for column in contract.columns)


def _field(name: str, kind: ColumnType, description: str = "") -> Field:
    return Field(name=name, type=str(kind), description=description, fields=_parts(kind))


def _parts(kind: ColumnType) -> tuple[Field, ...]:
    match kind:
        case StructOf(fields=parts):
            return tuple(_field(name, part) for name, part in parts)
        case ListOf(element=element):
            return _parts(element)
    return ()
