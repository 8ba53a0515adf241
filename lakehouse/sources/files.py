"""Files as an input port: what has arrived, which partition it belongs to, and its rows in the contract's types.

A path is a file, a folder (its files of the format, not deeper) or a glob. Next: `arrivals.py` finds them, `rows.py` reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from blake3 import blake3

from lakehouse.declare.contract import Contract
from lakehouse.declare.product import FileSource, InputPort
from lakehouse.errors import WrongUse
from lakehouse.scratch import Scratch
from lakehouse.sources import Delivery, Landed
from lakehouse.sources.arrivals import arrivals, binary, local
from lakehouse.sources.csv import CsvFile, open_csv
from lakehouse.sources.direct import Direct
from lakehouse.sources.rows import ReadFile, Rows
from lakehouse.types import quote

if TYPE_CHECKING:
    import duckdb

_CHUNK = 1 << 20


class FilesSource:
    """`lakehouse.sources.Source` over files."""

    def __init__(self, port: InputPort, root: Path) -> None:
        if port.source is None or port.expected is None:
            raise WrongUse(f"input port {port.name!r} reads no files", hint="give it source.files and a contract", place=str(port.place))
        self._source: FileSource = port.source
        self._expected: Contract = port.expected
        self._delivery, self._root = port.delivery, root

    def deliveries(self) -> Sequence[Delivery]:
        """All files there are now, in the order of their names."""
        return arrivals(self._source, self._root, self._delivery)

    def digest(self, delivery: Delivery) -> str:
        """BLAKE3 of the file's bytes as they lie there: as safe as sha256, and a third of the time (ADR 0013)."""
        digest = blake3()
        with binary(delivery) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def open(self, connection: duckdb.DuckDBPyConnection, deliveries: Sequence[Delivery]) -> Landed:
        """Make the deliveries one relation on `connection`; copies of remote files live as long as what this gives, or is registered."""
        scratch = Scratch()
        files = self._files(connection, deliveries, scratch)
        rows = Rows(connection, self._expected, files, scratch)
        size = sum(d.size for d in deliveries)
        texts = [f for f in files if isinstance(f, CsvFile)]
        if texts:
            direct = Direct(connection, self._expected, texts, rows)
            return Landed(relation=direct.relation, size=size, faultless=direct.faultless, _reader=direct)
        view = f"landed_{uuid4().hex}"
        connection.register(view, rows)
        columns = ", ".join(f"{quote(c.name)}::{c.type.duckdb} AS {quote(c.name)}" for c in self._expected.columns)
        return Landed(relation=f"(SELECT {columns} FROM {view})", size=size, _reader=rows)

    def _files(self, connection: duckdb.DuckDBPyConnection, deliveries: Sequence[Delivery], scratch: Scratch) -> list[ReadFile]:
        # Each file gets a folder of its own: two deliveries may have the same file name.
        paths = [(d.name, local(d, self._source.dialect.encoding, partial(scratch.folder, str(n)))) for n, d in enumerate(deliveries)]
        return _OPENERS[self._source.format](connection, paths, self._source, self._expected)


def _csv(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[tuple[str, Path]], source: FileSource, expected: Contract
) -> list[ReadFile]:
    return [open_csv(name, path, source.dialect, expected) for name, path in paths]


def _jsonl(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[tuple[str, Path]], source: FileSource, expected: Contract
) -> list[ReadFile]:
    from lakehouse.sources.jsonl import open_jsonl

    return [*open_jsonl(paths, expected)]


def _parquet(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[tuple[str, Path]], source: FileSource, expected: Contract
) -> list[ReadFile]:
    from lakehouse.sources.parquet import open_parquet

    return [open_parquet(connection, name, path, expected) for name, path in paths]


_OPENERS = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
