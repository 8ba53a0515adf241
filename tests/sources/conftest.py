"""What the tests of sources share: a folder where files arrive, and short ways to declare a port on it and to read what has landed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lakehouse.address import Address
from lakehouse.declare.contract import Column, Contract, Place
from lakehouse.declare.product import Dialect, FileSource, Format, InputPort
from lakehouse.sources import Landed, Rejected, Source, open_source
from lakehouse.types import ColumnType, Primitive

PLACE = Place(file="product.odps.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a source gave: rows, and rejects by (file, line, column)."""

    rows: list[tuple[Any, ...]]
    rejected: Sequence[Rejected]
    warnings: Sequence[str]

    @property
    def where(self) -> list[tuple[str, int, str | None]]:
        return [(r.file, r.line, r.column) for r in self.rejected]


@dataclass(frozen=True, slots=True)
class Landing:
    """A folder where files arrive."""

    root: Path
    connection: duckdb.DuckDBPyConnection

    def put(self, name: str, content: bytes | str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def source(
        self,
        types: Mapping[str, ColumnType | str],
        *,
        path: str = ".",
        form: Format = "csv",
        dialect: Dialect | None = None,
        physical: Mapping[str, str] | None = None,
        delivery: str | None = None,
    ) -> Source:
        columns = tuple(
            Column(
                name=name,
                type=Primitive(kind) if isinstance(kind, str) else kind,  # type: ignore[arg-type]
                physical_name=(physical or {}).get(name, ""),
                place=PLACE,
            )
            for name, kind in types.items()
        )
        contract = Contract(address=Address("d", "landed"), version="1.0.0", columns=columns, place=PLACE)
        files = FileSource(path=path, format=form, dialect=dialect or Dialect())
        return open_source(InputPort(name="landed", source=files, expected=contract, delivery=delivery, place=PLACE), self.root)

    def read(self, types: Mapping[str, ColumnType | str], **options: Any) -> Outcome:
        source = self.source(types, **options)
        landed = source.open(self.connection, source.deliveries())
        rows = self.connection.execute(f"SELECT * FROM {landed.relation}").fetchall()
        rejected = landed.rejected()
        assert self._faultless(landed) in (None, (rows, rejected)), "what is read without a fault is all there is to read"
        return Outcome(rows=rows, rejected=rejected, warnings=landed.warnings)

    def _faultless(self, landed: Landed) -> tuple[list[tuple[Any, ...]], Sequence[Rejected]] | None:
        """The quick reading, which must either fail or be right: so every test of a source asks for both."""
        if landed.faultless is None:
            return None
        try:
            return self.connection.execute(f"SELECT * FROM {landed.faultless}").fetchall(), ()
        except duckdb.Error:
            return None


@pytest.fixture
def landing(tmp_path: Path) -> Iterator[Landing]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone='UTC'; SET threads=2")
        root = tmp_path / "mesh"
        root.mkdir()
        yield Landing(root, connection)
