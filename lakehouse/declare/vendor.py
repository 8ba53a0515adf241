"""What neither standard has a field for: the value of the one customProperties entry `lakemesh`, at each place it may stand.

Each model is the object's shape and, by `model_json_schema()`, its JSON schema. Unknown keys are refused.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class CsvDialect(_Entry):
    """How a CSV is written; nothing of it is sniffed at run time."""

    delimiter: str = Field(default=",", min_length=1, max_length=4)
    quote: str = Field(default='"', max_length=1)
    escape: str = Field(default='"', max_length=1)
    header: bool = True
    nulls: list[str] = Field(default_factory=lambda: [""])
    encoding: Literal["utf-8", "utf-16", "latin-1"] = "utf-8"
    dateFormat: str | None = None
    timestampFormat: str | None = None
    decimal: Literal[".", ","] = "."
    skip: int = Field(default=0, ge=0)


class Files(_Entry):
    """Files that arrive: a file, a folder or a glob; relative to the mesh's root, absolute, or an fsspec address."""

    path: str
    format: Literal["csv", "jsonl", "parquet"]
    dialect: CsvDialect = CsvDialect()


class Source(_Entry):
    files: Files


class InputPortEntry(_Entry):
    """ODPS `inputPorts[]`."""

    source: Source | None = None
    batch: Literal["file", "all"] = "file"
    order: Literal["any", "strict"] = "any"
    delivery: str | None = None
    read: Literal["full", "changes"] = "full"


class OutputPortEntry(_Entry):
    """ODPS `outputPorts[]`."""

    write: Literal["append", "overwrite", "overwrite_partitions", "upsert"] = "append"
    orderBy: str | None = None
    allowEmpty: bool = False


class ProductEntry(_Entry):
    """ODPS root. `asset`: the rows come from a hand-written Dagster asset in the domain's `extra.py`."""

    successor: str | None = None
    asset: bool = False


class QuarantineEntry(_Entry):
    percent: float = Field(default=10.0, ge=0, le=100)
    rows: int = Field(default=5, ge=0)


class ContractEntry(_Entry):
    """ODCS root."""

    quarantine: QuarantineEntry = QuarantineEntry()


class PropertyEntry(_Entry):
    """ODCS `schema[].properties[]`."""

    partition: str | None = Field(default=None, pattern=r"^(identity|year|month|day|hour|bucket\[\d+\]|truncate\[\d+\])$")
    allowNaN: bool = False


class QualityEntry(_Entry):
    """ODCS `quality[]`."""

    scope: Literal["batch", "partitions", "port"] | None = None
    rowExpression: str | None = None


class RelationshipEntry(_Entry):
    """ODCS `relationships[]`."""

    severity: Literal["error", "warning", "info"] = "error"
    scope: Literal["batch", "partitions", "port"] | None = None
