"""How do a product's SQL models make its rows? dbt runs them over the pinned input ports; stage and gate take over from there.

dbt's tests judge the staged state, as every other rule of the gate does. `dbt_compiled.py` says what the SQL means, `dbt_project.py`
runs dbt, `dbt_plugin.py` gives it its sources, `dbt_sources.py` compiles the list of them. Next: `story.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import duckdb

from lakehouse.address import Address
from lakehouse.declare.product import OutputPort, Product
from lakehouse.errors import TransformFailed
from lakehouse.gate import GateReport, RuleResult
from lakehouse.mesh import Mesh
from lakehouse.scratch import Scratch
from lakehouse.stage import Stage
from lakehouse.types import literal
from orchestration.dbt_compiled import Compiled, compiled, expected, model_name, models_of, port_of, rule_of, tests_of
from orchestration.dbt_offer import Offer
from orchestration.dbt_project import Node, Project, Result
from orchestration.transforms import Bound


@dataclass(frozen=True, slots=True, kw_only=True)
class DbtTransform:
    """A product whose transform is SQL in `dbt/models/<domain>/<product>/`."""

    product: Product
    project: Project
    compiled: Compiled

    @classmethod
    def load(cls, mesh: Mesh, product: Product) -> Self:
        """TransformFailed when the models cannot be compiled, or read what the product has not declared."""
        project = Project.of(mesh.settings)
        return cls(product=product, project=project, compiled=compiled(project, mesh.declarations, product))

    @property
    def version(self) -> str:
        return self.compiled.version

    @property
    def sql(self) -> Mapping[str, str]:
        """The SQL of each port's model."""
        return self.compiled.models

    def reads(self, port: OutputPort) -> Collection[str]:
        """What the port's model refers to, directly or through private models."""
        nodes, found = self.project.nodes(), set[str]()
        ours = {model_name(o): o.name for o in self.product.outputs}
        inputs = {f"{i.address.domain}.{i.address.port}": i.name for i in self.product.inputs if i.address}
        waiting = [n for n in nodes.values() if n.kind == "model" and n.name == model_name(port)]
        while waiting:
            for id in waiting.pop().reads:
                read = nodes.get(id)
                if read is None:
                    found |= {inputs[name] for name in (".".join(id.split(".")[2:]),) if name in inputs}
                elif read.name in ours:
                    found.add(ours[read.name])
                else:
                    waiting.append(read)
        return found

    def rows(self, port: OutputPort, bound: Bound) -> str:
        """Run the port's model, with what it needs of the product's private ones; siblings are there as staged."""
        before = self.product.outputs[: self.product.outputs.index(port)]
        keep, handed = Scratch(), _handing_over(bound)
        offer = Offer(
            ports={i.address: handed(i.name, keep) for i in self.product.inputs if i.address},
            models={model_name(sibling): handed(sibling.name, keep) for sibling in before},
        )
        file = literal(str(keep.path / f"{port.name}.rows.parquet"))
        with self.project.running("run", [f"+{model_name(port)}"], offer, exclude=[model_name(s) for s in before]) as results:
            offer.opened.execute(f"copy (from {self._relation(port, results)}) to {file} (format parquet)")
        bound.keep.append(keep)
        return f"read_parquet({file})"

    def judged(self, report: GateReport, stage: Stage, targets: Mapping[Address, str]) -> GateReport:
        """The report with the verdicts of dbt's tests, one rule each; they read the staged ports and the pinned ones."""
        nodes = self.project.nodes()
        staged = {model_name(self.product.output(name)): port.relation("port") for name, port in stage.ports.items()}
        tests = [t for t in tests_of(nodes, self.product) if model_name(port_of(t, nodes, self.product)) in staged]
        if not tests:
            return report
        private = [m.name for m in models_of(nodes, self.product) if m.name not in map(model_name, self.product.outputs)]
        offer = Offer(ports={i.address: targets[i.address] for i in self.product.inputs if i.address}, models=staged)
        with self.project.running("build", [*private, *(t.name for t in tests)], offer) as results:
            found = {r.name: r for r in results}
        verdicts = [(port_of(test, nodes, self.product).address, verdict(test, found.get(test.name))) for test in tests]
        ports = [replace(p, rules=(*p.rules, *(v for address, v in verdicts if address == p.address))) for p in report.ports]
        return replace(report, ports=tuple(ports))

    def _relation(self, port: OutputPort, results: Sequence[Result]) -> str:
        """Where the model's rows are, or what stopped it or a private model that it reads."""
        for result in results:
            if result.status != "success":
                raise self.project.failure(result.message, result.compiled)
        made = next((r.relation for r in results if r.name == model_name(port)), None)
        if made is None:
            raise TransformFailed(
                "dbt made no rows of it", place=self.product.models[port.name], hint="is it enabled, and no ephemeral model?"
            )
        return made


# handing over


def _handing_over(bound: Bound) -> Callable[[str, Scratch], str]:
    """Rows as an expression that dbt's own database understands: as it is when it names files only, else through a file."""

    def handed(name: str, keep: Scratch) -> str:
        relation = bound.relation(name)
        if not names_a_table(bound.connection, relation):
            return relation
        file = literal(str(keep.path / f"{name}.parquet"))
        bound.connection.execute(f"copy (from {relation}) to {file} (format parquet)")
        return f"read_parquet({file})"

    return handed


def names_a_table(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    """Whether an expression needs tables or views of the connection that it was made on."""
    ((tree,),) = connection.execute("select json_serialize_sql(?)", [f"from {relation}"]).fetchall()
    return '"BASE_TABLE"' in tree


# judging


def verdict(test: Node, result: Result | None) -> RuleResult:
    """A test that was skipped or crashed was not evaluated; one within its own `error_if` only warns."""
    status = result.status if result else "not run"
    evaluated = status in ("pass", "fail", "warn")
    return RuleResult(
        rule=rule_of(test),
        kind="gate",
        severity="warning" if status == "warn" else test.severity,
        scope="port",
        outcome="passed" if status == "pass" else "failed" if evaluated else "not_evaluated",
        failing=result.failing if result and evaluated else None,
        expected=expected(test),
        message=" ".join(result.message.split()) if result and result.message else f"dbt: {status}",
    )
