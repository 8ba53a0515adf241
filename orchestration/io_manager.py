"""How does a hand-written Dagster asset read and write ports? Inputs by annotation at their pins, its rows through stage, gate and publish.

Next: `story.py`, which publishes what was made.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import duckdb

from lakehouse.access import OPERATOR
from lakehouse.address import Address
from lakehouse.declare.product import OutputPort, Product
from lakehouse.engines import reading_connection, to_frame, to_relation
from lakehouse.errors import MeshError, WrongUse
from lakehouse.gate import GateReport
from lakehouse.mesh import Mesh
from lakehouse.pins import pinned
from lakehouse.read import decision_on, relation_of
from lakehouse.scratch import Scratch
from lakehouse.stage import Stage
from lakehouse.store import Pin
from lakehouse.types import literal
from orchestration import events
from orchestration.assets import Heard, fail_when_stopped, request_of, taken
from orchestration.inputs import wanted
from orchestration.keys import Opened, address_of, key_of
from orchestration.story import Made, Request
from orchestration.transforms import Bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What an asset returned, as the transform of its product: `version` tells content from content, in any order of rows."""

    file: Path
    version: str
    sql: Mapping[str, str] = field(default_factory=dict)

    def reads(self, port: OutputPort) -> Collection[str]:
        return ()

    def rows(self, port: OutputPort, bound: Bound) -> str:
        return _parquet(self.file)

    def judged(self, report: GateReport, stage: Stage, targets: object) -> GateReport:
        return report


@dataclass(slots=True, kw_only=True)
class Gated(dg.IOManager):
    """The IO manager of one run. All its inputs are pinned in one read of the store, and stay until the run ends."""

    mesh: Mesh
    domain: str
    request: Request
    pins: dict[Address, Pin]
    instance: dg.DagsterInstance
    connection: duckdb.DuckDBPyConnection
    heard: Heard
    scratch: Scratch = field(default_factory=Scratch)

    def load_input(self, context: dg.InputContext) -> object:
        """A port at its pin, in the form that the parameter is annotated with."""
        address = address_of(context.asset_key)
        if address not in self.pins:
            raise self._failure(WrongUse(f"{address} cannot be read here", hint="declare it as an input port, and publish it first"))
        state = self.pins[address].state
        annotation = _annotation(context.dagster_type.typing_type)
        connection = reading_connection(annotation, self.connection)
        relation = relation_of(self.mesh, state, decision_on(self.mesh, OPERATOR, state))
        return to_frame(annotation, connection, relation, limit_rows=self.mesh.settings.engine.materialise_rows)

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Publish what the asset returned, if the gate lets it."""
        try:
            product = self._product(address_of(context.asset_key))
            made = Made(transform=self._returned(product, obj), pins=self.pins)
        except MeshError as error:
            raise self._failure(error) from error
        (outcome,) = taken(self.mesh, product, self.request, self.heard, made)
        if outcome.result == "blocked" and outcome.report:
            self._report_checks(product, outcome.report)
        fail_when_stopped([outcome])
        if outcome.publication:
            # what is stored is materialized, new or not: only the data version tells Dagster that nothing was
            dg.OpExecutionContext.get().set_data_version(context.asset_key, dg.DataVersion(outcome.publication.id))
            context.add_output_metadata(events.metadata(product.main, [outcome]))

    def _product(self, address: Address) -> Product:
        if address.domain != self.domain:
            raise WrongUse(f"{self.domain} cannot write {address}", hint="a domain writes its own ports only")
        product = self.mesh.product(address)
        if not product.asset:
            raise WrongUse(f"{address} is made by its own code", hint="declare `asset: true`, or give the asset another key")
        return product

    def _returned(self, product: Product, obj: object) -> Returned:
        """Keep the rows in a file: a stream can be read once, and they are read to tell whether they are new, and to be staged."""
        attached = to_relation(obj, self.connection, function=f"{product.address.domain}/extra.py:{product.address.port}")
        file = self.scratch.path / f"{product.address}.parquet"
        try:
            self.connection.execute(f"copy (select * from {attached.sql}) to {literal(str(file))} (format parquet)")
            content = f"select count(*), coalesce(sum(hash(r)::hugeint % 1000000007), 0) from {_parquet(file)} r"
            (count, digest) = self.connection.execute(content).fetchall()[0]
        except duckdb.Error as error:
            raise WrongUse(f"what {product.address} returned cannot be read: {error}", hint="return a frame that can be") from error
        return Returned(file=file, version=f"{count}-{digest}")

    def _failure(self, error: MeshError) -> dg.Failure:
        self.heard.error = error
        return dg.Failure(str(error), allow_retries=False)

    def _report_checks(self, product: Product, report: GateReport) -> None:
        """Show the failed rules: an output cannot carry them."""
        declared = [dg.AssetCheckKey(key_of(p.address), r.rule) for p in report.ports for r in p.rules]
        for result in events.check_results([report], declared):
            self.instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=key_of(product.address),
                    check_name=str(result.check_name),
                    passed=result.passed,
                    severity=result.severity,
                    metadata=result.metadata,
                    description=result.description,
                )
            )


def gated(opened: Opened, domain: str, products: Sequence[Product], heard: Heard | None) -> dg.IOManagerDefinition:
    """The IO manager of a domain's hand-written assets, made for each run."""

    @dg.io_manager(description="Reads ports at their pins; what is written goes through the gate.")  # type: ignore[arg-type]
    def manager(init: dg.InitResourceContext) -> Iterator[Gated]:
        run, instance = init.run, init.instance
        if run is None or instance is None:
            raise ValueError("a run has an instance")
        request = request_of(run)
        with ExitStack() as stack:
            mesh = stack.enter_context(opened())
            reads = {port: owner for product in products for port, owner in wanted(mesh, product).items()}
            pins = stack.enter_context(pinned(mesh, reads, request.run_id))
            connection = stack.enter_context(mesh.connection())
            yield Gated(
                mesh=mesh, domain=domain, request=request, pins=pins, instance=instance, connection=connection, heard=heard or Heard()
            )

    return manager


def _annotation(kind: type) -> str:
    """`polars.LazyFrame` for the class that is defined somewhere below polars."""
    return f"{kind.__module__.partition('.')[0].removeprefix('_')}.{kind.__name__}"


def _parquet(file: Path) -> str:
    return f"read_parquet({literal(str(file))})"
