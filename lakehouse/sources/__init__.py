"""Source input ports: deliveries -> rows in the contract's types, and the rows that could not be read.

A source kind is one module with a class that has `Source`'s methods; `open_source` finds it lazily. Next: `files.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from lakehouse.declare.product import InputPort
from lakehouse.errors import MeshError

if TYPE_CHECKING:
    import duckdb

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Something that arrived and can be read again: a file.

    `name` is stable (relative path below the port's base), `stamp` changes when the content may have.
    """

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


class Reader(Protocol):
    """The reader behind a `Landed`; what each answer means stands there."""

    @property
    def failure(self) -> MeshError | None: ...

    def rejected(self) -> Sequence[Rejected]: ...

    def warnings(self) -> Sequence[str]: ...


@dataclass(slots=True, kw_only=True)
class Landed:
    """Deliveries opened for reading. `relation` is a table expression on the connection, in the contract's column order and types.

    It streams, reads on a cursor of its own (so the connection stays free to write), and may be read again.
    Delivered rows = rows of `relation` + `rejected()`. `faultless` is the same for deliveries that have no fault: quicker, and
    it fails at the first one. `size` is what was delivered, in bytes.
    """

    relation: str
    size: int
    _reader: Reader
    faultless: str | None = None
    _whole: bool = field(default=False, init=False)

    def read(self, use: Callable[[str, bool], Found]) -> Found:
        """What `use` makes of the rows. It is given a relation, and whether to give up (with a DuckDB error) at the first faulty row.

        Who delivers clean files does not pay for looking at each fault; after one, `use` is called again with all that can be read.
        """
        if self.faultless is not None:
            with suppress(duckdb_error()):
                found = use(self.faultless, True)  # noqa: FBT003  what it says stands above
                self._whole = True
                return found
        return use(self.relation, False)  # noqa: FBT003

    def rejected(self) -> Sequence[Rejected]:
        """The source rows that could not be read; what of `relation` was not read yet is read for it."""
        return () if self._whole else self._reader.rejected()

    @property
    def warnings(self) -> Sequence[str]:
        """For the person: columns nobody asked for. Complete once `relation` has been read."""
        return self._reader.warnings()

    @property
    def failure(self) -> MeshError | None:
        """What stopped the reading of `relation`: engines report it in their own words, this is the error to raise instead."""
        return self._reader.failure


class Source(Protocol):
    """Where an input port's rows come from."""

    def deliveries(self) -> Sequence[Delivery]:
        """All that is there now, in arrival order (name order for files)."""
        ...

    def digest(self, delivery: Delivery) -> str:
        """BLAKE3 hex of the content."""
        ...

    def open(self, connection: duckdb.DuckDBPyConnection, deliveries: Sequence[Delivery]) -> Landed:
        """Make the deliveries readable on `connection`; BatchRefused when a column is missing or a file cannot be read at all."""
        ...


def open_source(port: InputPort, root: Path) -> Source:
    """The source of an input port of the mesh at `root`."""
    from lakehouse.sources.files import FilesSource

    return FilesSource(port, root)


def duckdb_error() -> type[Exception]:
    """What the engine raises; imported when it is needed."""
    import duckdb

    return duckdb.Error
