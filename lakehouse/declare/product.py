"""What a data product is: its input ports, its output ports and how a batch changes them (ODPS 1.1, as executed).

Next: `crosscheck.py` holds the declarations of a whole mesh against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lakehouse.address import Address
from lakehouse.declare.contract import Contract, Place

Write = Literal["append", "overwrite", "overwrite_partitions", "upsert"]
Read = Literal["full", "changes"]
Status = Literal["proposed", "draft", "active", "deprecated", "retired"]
Format = Literal["csv", "jsonl", "parquet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a CSV is written. Declared, never sniffed. `nulls` are the texts that mean no value."""

    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    header: bool = True
    nulls: tuple[str, ...] = ("",)
    encoding: str = "utf-8"
    date_format: str | None = None
    timestamp_format: str | None = None
    decimal: str = "."
    skip: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """Files that arrive at `path`: a file, folder or glob; relative to the mesh's root, absolute, or an fsspec address."""

    path: str
    format: Format
    dialect: Dialect = Dialect()


@dataclass(frozen=True, slots=True, kw_only=True)
class InputPort:
    """What a product reads: exactly one of `source` (with `expected`, the contract that gives its types) or `address`.

    `version` is the major version of the producer's contract that this consumer was written for.
    `delivery` is a template such as `flights/{date}.csv` that says which partition a delivery belongs to.
    """

    name: str
    source: FileSource | None = None
    expected: Contract | None = None
    batch: Literal["file", "all"] = "file"
    order: Literal["any", "strict"] = "any"
    delivery: str | None = None
    address: Address | None = None
    version: str | None = None
    read: Read = "full"
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPort:
    """One data set the product promises. `order_by` decides between rows of one key inside an upsert batch (newest wins)."""

    name: str
    contract: Contract
    write: Write = "append"
    order_by: str | None = None
    allow_empty: bool = False
    place: Place

    @property
    def address(self) -> Address:
        return self.contract.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A transform's signature, read by `ast`: parameter name -> annotation text (`pyarrow.Table`), aliases resolved."""

    name: str
    parameters: Mapping[str, str]
    returns: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Who answers for it: the team's name and its members' user names (e-mail addresses)."""

    name: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One folder `domains/<domain>/<product>/`. `outputs[0]` is the main port; siblings follow in dependency order.

    Exactly one of: `functions` (transform.py), `models` (dbt model files by port name, relative to the root), `asset` (a hand-written
    Dagster asset in the domain's extra.py returns the rows of its one output), none (rows go through as they are: one input, one output).
    """

    address: Address
    folder: Path
    version: str
    status: Status
    title: str
    purpose: str
    team: Team
    inputs: tuple[InputPort, ...]
    outputs: tuple[OutputPort, ...]
    functions: Mapping[str, Function] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    asset: bool = False
    successor: str | None = None
    tags: tuple[str, ...] = ()
    place: Place

    @property
    def main(self) -> OutputPort:
        return self.outputs[0]

    @property
    def sources(self) -> tuple[InputPort, ...]:
        return tuple(i for i in self.inputs if i.source is not None)

    def input(self, name: str) -> InputPort:
        return next(i for i in self.inputs if i.name == name)

    def port(self, address: Address) -> OutputPort:
        return next(o for o in self.outputs if o.address == address)

    def output(self, name: str) -> OutputPort:
        return next(o for o in self.outputs if o.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A team's bounded context: one Dagster code location, one Iceberg namespace. `timezone` is an IANA name."""

    name: str
    team: Team
    purpose: str
    timezone: str = "UTC"
    place: Place
