"""A tiny mesh, run as the orchestrator runs it but without Dagster, and read as a consumer reads it."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from lakehouse.access import OPERATOR
from lakehouse.address import Address
from lakehouse.batches import Wanted
from lakehouse.mesh import Mesh
from lakehouse.quarantine import QuarantinedRow
from lakehouse.quarantine import rows as quarantined_rows
from lakehouse.read import permitted
from lakehouse.testing import MeshFolder
from lakehouse.verify import verify
from orchestration.story import Outcome, Request, run_product


class Tried(MeshFolder):
    """A mesh folder with the verbs of a test. Declarations are read again for every run."""

    def run(self, product: str, *, dry: bool = False, settings: dict[str, object] | None = None, **wanted: Any) -> list[Outcome]:
        with self.open(**settings or {}) as mesh:
            request = Request(run_id=str(uuid.uuid4()), wanted=Wanted(**wanted), dry=dry)
            return list(run_product(mesh, mesh.product(Address.parse(product)), request))

    def results(self, product: str, **how: Any) -> list[str]:
        return [o.result for o in self.run(product, **how)]

    def rows(self, port: str, as_of: datetime | str | None = None) -> list[tuple[Any, ...]]:
        """A port's rows, sorted."""
        with self.open() as mesh:
            return read(mesh, port, as_of)

    def quarantined(self, port: str) -> list[QuarantinedRow]:
        with self.open() as mesh:
            return quarantined_rows(mesh, Address.parse(port))

    def batches(self, product: str) -> dict[str, str]:
        """Batch name -> state."""
        with self.open() as mesh:
            return {b.name: b.state for b in mesh.store.batches(Address.parse(product))}

    def verified(self) -> list[str]:
        with self.open() as mesh:
            return [f"{f.subject} {f.kind}: {f.message}" for f in verify(mesh, mesh.declarations.products.values())]


def read(mesh: Mesh, port: str, as_of: datetime | str | None = None) -> list[tuple[Any, ...]]:
    relation = permitted(mesh, OPERATOR, Address.parse(port), purpose=None, as_of=as_of)
    with mesh.connection() as connection:
        return sorted(connection.execute(f"select * from {relation}").fetchall(), key=_sorted_by)


def _sorted_by(row: tuple[Any, ...]) -> list[tuple[bool, Any]]:
    return [(value is not None, value) for value in row]
