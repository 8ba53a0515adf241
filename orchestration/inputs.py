"""What a run reads: source deliveries as they landed, other products' ports at their pins, siblings as staged.

Next: `story.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

import duckdb

from lakehouse.access import OPERATOR
from lakehouse.address import Address
from lakehouse.batches import Due
from lakehouse.damage import damage
from lakehouse.declare.contract import Contract
from lakehouse.declare.product import InputPort, Product, Write
from lakehouse.errors import BatchRefused, MeshError, TransformFailed
from lakehouse.mesh import Mesh
from lakehouse.read import changed, decision_on, files_of, relation_of, state_at
from lakehouse.scan import local_path, paths
from lakehouse.sources import Landed, Rejected, open_source
from lakehouse.stage import Stage
from lakehouse.store import Pin, PortState
from lakehouse.types import quote
from orchestration.transforms import failure


@dataclass(slots=True)
class Inputs:
    """The inputs of one run, each opened once. `landed` is what the driving source delivered."""

    mesh: Mesh
    product: Product
    connection: duckdb.DuckDBPyConnection
    pins: Mapping[Address, Pin]
    due: Due | None = None
    stage: Stage | None = None
    everything: bool = False
    rows: int | None = None
    _landed: dict[str, Landed] = field(default_factory=dict)
    _relations: dict[tuple[str, Write | None], str] = field(default_factory=dict)
    _read: list[PortState] = field(default_factory=list)
    _tables: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for table in self._tables:
            self.connection.execute(f"drop table if exists {table}")

    def relation(self, name: str, *, reader: Write = "overwrite_partitions", reads: Collection[str] = ()) -> str:
        """An input port or an already staged sibling, as a table expression on the run's connection.

        It is for a port that is written as `reader` says and `reads` these.
        """
        if self.stage is not None and name in self.stage.ports:
            return self.stage.sibling(name, reader, reads)
        if any(name == sibling.name for sibling in self.product.outputs):
            return self._published(self.product.output(name).address)
        port = self.product.input(name)
        asked = (name, None if port.source else reader)
        if asked not in self._relations:
            self._relations[asked] = self._source(port) if port.source else self._port(port, reader)
        return self._relations[asked]

    @property
    def driving(self) -> Landed | None:
        """The delivery that this run is about, once it was read."""
        return self._landed.get(self.due.batch.input_port) if self.due else None

    def landed_as(self, relation: str, contract: Contract) -> Landed | None:
        """The delivery that `relation` is, if it landed in just the contract's columns and types."""
        wanted = [(c.name, c.type) for c in contract.columns]
        for name, landed in self._landed.items():
            expected = self.product.input(name).expected
            if landed.relation == relation and expected is not None and [(c.name, c.type) for c in expected.columns] == wanted:
                return landed
        return None

    def rejected(self) -> Sequence[Rejected]:
        """Source rows that could not be read, of all deliveries opened."""
        return [r for landed in self._landed.values() for r in landed.rejected()]

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(w for landed in self._landed.values() for w in landed.warnings)

    @contextmanager
    def told(self, place: str) -> Iterator[None]:
        """Say what stopped the making of rows: a source in its own words, a damaged file of a port, or else the product's code."""
        try:
            yield
        except (duckdb.Error, TransformFailed) as error:
            failures = (landed.failure for landed in self._landed.values() if landed.failure)
            blamed = next(failures, None) or damage(error.__cause__ or error, self._files())
            if blamed is None and isinstance(error, TransformFailed):
                raise
            raise blamed or failure(place, error) from error

    def _files(self) -> Iterator[str]:
        """Every file that was read: of the input ports, and of the product's own ports, which are compared and merged."""
        current = self.stage.current if self.stage else None
        for state in (*self._read, *(current.ports if current else ())):
            yield from map(local_path, paths(files_of(self.mesh, state)))

    def _source(self, port: InputPort) -> str:
        source = open_source(port, self.mesh.settings.root)
        mine = self.due is not None and self.due.batch.input_port == port.name
        deliveries = self.due.deliveries if mine and self.due else source.deliveries()
        landed = self._landed[port.name] = source.open(self.connection, deliveries)
        if not self.product.functions and not self.product.models:
            return landed.relation
        return self._materialised(port.name, landed, count=mine)

    def _materialised(self, name: str, landed: Landed, *, count: bool) -> str:
        """Land the rows in a table first: a transform may read them twice, and what was delivered has to be counted."""
        table = quote(f"landed_{name}_{uuid.uuid4().hex[:8]}")
        self._tables.append(table)
        landed.read(lambda rows, _: self.connection.execute(f"create or replace table {table} as select * from {rows}"))
        if count:
            (rows,) = self.connection.execute(f"select count(*) from {table}").fetchall()[0]
            self.rows = int(rows) + len(landed.rejected())
        return table

    def _port(self, port: InputPort, reader: Write) -> str:
        pin = self._pin(port)
        self._read.append(pin.state)
        decision = decision_on(self.mesh, OPERATOR, pin.state)
        before = None if self.everything or port.read == "full" else self._consumed(port)
        if before is None:
            return relation_of(self.mesh, pin.state, decision)
        return changed(self.mesh, before, pin.state, decision, whole_partitions=reader == "overwrite_partitions")

    def _published(self, sibling: Address) -> str:
        """A sibling that this run does not write, as it is shown; the product's lease keeps it."""
        _, state = state_at(self.mesh, sibling)
        return relation_of(self.mesh, state, decision_on(self.mesh, OPERATOR, state))

    def _pin(self, port: InputPort) -> Pin:
        if port.address is None or port.address not in self.pins:
            raise MeshError(
                f"input port {port.name} reads {port.address}, which has not been published yet", hint=f"mesh run {port.address} first"
            )
        return self.pins[port.address]

    def _consumed(self, port: InputPort) -> Pin | None:
        """The state of an input port that this publication comes after; in a dry run the batch before has taken what there is."""
        if self.stage is not None and self.stage.after is not None:
            return self._pin(port)
        current = self.mesh.store.current(self.product.address)
        producer = current.inputs.get(port.name) if current else None
        before = self.mesh.store.publication(producer) if producer else None
        if before is None or port.address is None:
            return None
        state = next((s for s in before.ports if s.address == port.address), None)
        if state is None and self.product.main.write == "append":
            raise BatchRefused(
                f"input port {port.name} reads {port.address} now, and what was appended came from {before.product}",
                hint="give the input port another name: then all of the new port is appended",
            )
        return Pin(product=before.product, publication=before.id, state=state) if state else None


def wanted(mesh: Mesh, product: Product) -> dict[Address, Address]:
    """Every port that a run has to pin -> its product: input ports, and what relationships point at."""
    inputs = [i.address for i in product.inputs if i.address]
    targets = [r.to for o in product.outputs for r in o.contract.relationships]
    own = {o.address for o in product.outputs}
    return {a: mesh.declarations.producer(a).address for a in [*inputs, *targets] if a not in own}
