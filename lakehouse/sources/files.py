"""Files as an input port: what has arrived, which partition it belongs to, and its rows in the contract's types.

A path is a file, a folder (its files of the format, not deeper) or a glob. Next: `rows.py`, then the format's own module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from lakehouse.declare.contract import Contract
from lakehouse.declare.product import FileSource, InputPort
from lakehouse.errors import WrongUse
from lakehouse.sources import Delivery, Landed
from lakehouse.sources.arrivals import arrivals, binary, local
from lakehouse.sources.rows import Rows, arrow_schema

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
        """sha256 of the file's bytes as they lie there."""
        digest = hashlib.sha256()
        with binary(delivery) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def open(self, connection: duckdb.DuckDBPyConnection, deliveries: Sequence[Delivery]) -> Landed:
        """Make the deliveries one view on `connection`."""
        from lakehouse.sources.csv import open_csv

        files = [open_csv(d.name, local(d, self._source.dialect.encoding), self._source.dialect, self._expected) for d in deliveries]
        rows = Rows(connection, arrow_schema(connection, self._expected), [f.read for f in files])
        view = f"landed_{uuid4().hex}"
        connection.register(view, rows)
        warnings = sorted({f"column {name!r} is in the files but not in the contract" for f in files for name in f.matched.extra})
        return Landed(relation=view, warnings=tuple(warnings), _reader=rows)
