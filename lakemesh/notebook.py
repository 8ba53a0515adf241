"""What a product's transform would be given now, for a notebook or a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Self

import duckdb

from lakehouse.declare.product import Product
from lakehouse.engines import reading_connection, to_frame
from lakehouse.mesh import Mesh
from lakehouse.pins import pinned
from lakemesh.session import new_run_id
from orchestration.inputs import Inputs, wanted

_PLAIN = "pyarrow.Table"
"""The form of an input that no function names."""


class Frames(Mapping[str, Any]):
    """Input port -> its rows, whole, in the form that the transform's annotation asks for. All are read at one pin."""

    def __init__(self, mesh: Mesh, product: Product) -> None:
        self._product, self._limit = product, mesh.settings.engine.materialise_rows
        self._held = ExitStack()
        pins = self._held.enter_context(pinned(mesh, wanted(mesh, product), new_run_id()))
        self._connection = self._held.enter_context(mesh.connection())
        self._inputs = self._held.enter_context(Inputs(mesh=mesh, product=product, connection=self._connection, pins=pins, everything=True))
        self._connections: list[duckdb.DuckDBPyConnection] = []

    def __getitem__(self, name: str) -> Any:
        if name not in list(self):
            raise KeyError(name)
        form = next((f.parameters[name] for f in self._product.functions.values() if name in f.parameters), _PLAIN)
        connection = reading_connection(form, self._connection)
        self._connections.append(connection)
        with self._inputs.told(f"{self._product.address}: {name}"):
            return to_frame(form, connection, self._inputs.relation(name), limit_rows=self._limit)

    def __iter__(self) -> Iterator[str]:
        return iter([i.name for i in self._product.inputs])

    def __len__(self) -> int:
        return len(self._product.inputs)

    def close(self) -> None:
        """Let the pins go; frames that stream cannot be read any more."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
