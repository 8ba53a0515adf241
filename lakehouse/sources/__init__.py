"""Source input ports: deliveries -> rows in the contract's types, and the rows that could not be read.

A source kind is one module with a class that has `Source`'s methods; `open_source` finds it lazily. Next: `files.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lakehouse.declare.product import InputPort

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Something that arrived and can be read again: a file. `name` is stable (relative path below the port's base), `stamp` changes when the content may have."""

    name: str
    location: str
    size: int
    stamp: str
    modified: datetime
    partition: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A source row that could not be read into the contract's types."""

    file: str
    line: int
    raw: str
    column: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """Deliveries opened for reading. `relation` is a table expression on the connection, in the contract's column order and types.

    `rejected()` is complete only after `relation` has been read to its end, once. `warnings` are for the person (extra columns).
    """

    relation: str
    warnings: tuple[str, ...]
    _reader: Reader

    def rejected(self) -> Sequence[Rejected]:
        return self._reader.rejected()


class Reader(Protocol):
    def rejected(self) -> Sequence[Rejected]: ...


class Source(Protocol):
    """Where an input port's rows come from."""

    def deliveries(self) -> Sequence[Delivery]:
        """All that is there now, in arrival order (name order for files)."""
        ...

    def digest(self, delivery: Delivery) -> str:
        """sha256 hex of the content."""
        ...

    def open(self, connection: duckdb.DuckDBPyConnection, deliveries: Sequence[Delivery]) -> Landed:
        """Make the deliveries readable on `connection`; BatchRefused when a column is missing or a file cannot be read at all."""
        ...


def open_source(port: InputPort, root: Path) -> Source:
    """The source of an input port of the mesh at `root`."""
    from lakehouse.sources.files import FilesSource

    return FilesSource(port, root)
