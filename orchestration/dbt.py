"""How do a product's SQL models make its rows? dbt runs them over the pinned input ports; stage and gate take over from there.

dbt's tests judge the staged state, as every other rule of the gate does. `dbt_project.py` runs dbt, `dbt_plugin.py` gives it its
sources, `dbt_sources.py` compiles the list of them. Next: `story.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version as installed
from pathlib import Path
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
from orchestration.dbt_offer import Offer
from orchestration.dbt_project import Node, Project, Result
from orchestration.transforms import Bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What the product's models and tests mean: a version, and the SQL of each port's model."""

    version: str
    models: Mapping[str, str]


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
        kept = project.home / "compiled" / f"{product.address}.json"
        digest = project_digest(project.folder)
        return cls(product=product, project=project, compiled=_kept(kept, digest) or _compile(mesh, project, product, kept, digest))

    @property
    def version(self) -> str:
        return self.compiled.version

    @property
    def sql(self) -> str | None:
        """The model's SQL, of a product with one port."""
        return self.compiled.models[self.product.main.name] if len(self.product.outputs) == 1 else None

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
        tests = [t for t in tests_of(nodes, self.product) if model_name(self._port_of(t, nodes)) in staged]
        if not tests:
            return report
        private = [m.name for m in models_of(nodes, self.product) if m.name not in map(model_name, self.product.outputs)]
        offer = Offer(ports={i.address: targets[i.address] for i in self.product.inputs if i.address}, models=staged)
        with self.project.running("build", [*private, *(t.name for t in tests)], offer) as results:
            found = {r.name: r for r in results}
        verdicts = [(self._port_of(test, nodes).address, _verdict(test, found.get(test.name))) for test in tests]
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

    def _port_of(self, test: Node, nodes: Mapping[str, Node]) -> OutputPort:
        """The port that a test is about; a test of a private model counts for the main port."""
        names = [nodes[id].name for id in (test.about or "", *test.reads) if id in nodes]
        return next((o for name in names for o in self.product.outputs if model_name(o) == name), self.product.main)


def model_name(port: OutputPort) -> str:
    return f"{port.address.domain}__{port.address.port}"


def models_of(nodes: Mapping[str, Node], product: Product) -> Iterator[Node]:
    """The models in the product's folder: those of its ports and private ones."""
    folder = f"dbt/models/{product.address.domain}/{product.address.port}/"
    return (n for n in nodes.values() if n.kind == "model" and n.file.startswith(folder))


def tests_of(nodes: Mapping[str, Node], product: Product) -> Iterator[Node]:
    """The tests that read one of the product's models."""
    models = {m.id for m in models_of(nodes, product)}
    return (n for n in nodes.values() if n.kind == "test" and models & set(n.reads))


def project_digest(folder: Path) -> str:
    """Changes with any file of the project that dbt reads, and with dbt."""
    files = sorted(f for kind in ("sql", "yml", "yaml", "csv", "py") for f in folder.rglob(f"*.{kind}"))
    mine = [f for f in files if f.relative_to(folder).parts[0] not in ("target", "logs")]
    digest = hashlib.sha256(f"{installed('dbt-core')} {installed('dbt-duckdb')}".encode())
    for file in mine:
        digest.update(f"\n{file.relative_to(folder)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


# compiling


def _kept(file: Path, digest: str) -> Compiled | None:
    """What was compiled before from the same project, so that a run with nothing to do need not start dbt."""
    if not file.is_file():
        return None
    kept = json.loads(file.read_text(encoding="utf-8"))
    return Compiled(version=kept["version"], models=kept["models"]) if kept["digest"] == digest else None


def _compile(mesh: Mesh, project: Project, product: Product, kept: Path, digest: str) -> Compiled:
    nodes = project.nodes()
    models, tests = list(models_of(nodes, product)), list(tests_of(nodes, product))
    for node in (*models, *tests):
        _refuse(node, nodes, product)
    empty = Offer(ports={i.address: _empty(mesh, i.address) for i in product.inputs if i.address})
    with project.running("compile", [n.name for n in (*models, *tests)], empty) as results:
        sql = {r.name: r.compiled for r in results}
    settings = {t.name: t.setting for t in tests}
    meaning = [f"{name}: {normalised(text)} {settings.get(name, '')}" for name, text in sorted(sql.items())]
    compiled = Compiled(
        version=hashlib.sha256("\n".join(meaning).encode()).hexdigest()[:12],
        models={o.name: sql[model_name(o)] for o in product.outputs},
    )
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"digest": digest, **asdict(compiled)}), encoding="utf-8")
    return compiled


def _refuse(node: Node, nodes: Mapping[str, Node], product: Product) -> None:
    """A model reads its product's input ports and its product's models, and it is SQL."""
    if node.language != "sql":
        raise TransformFailed("Python models are not run", place=node.file, hint="write transform.py in the product's folder instead")
    inputs = {str(i.address) for i in product.inputs if i.address}
    mine = {m.id for m in models_of(nodes, product)}
    for id in node.reads:
        kind, _, *name = id.split(".")
        if kind == "source" and ".".join(name) not in inputs:
            raise TransformFailed(
                f"{node.name} reads {'.'.join(name)}, which is no input port of {product.address}",
                place=node.file,
                hint=f"declare it in {product.place.file}: inputPorts: - {{name: {name[-1]}, contractId: {'.'.join(name)}}}",
            )
        if kind != "source" and id not in mine:
            raise TransformFailed(
                f"{node.name} reads {name[-1]} of another folder",
                place=node.file,
                hint="read another product's port by source(), and declare it as an input port",
            )


def _empty(mesh: Mesh, address: Address) -> str:
    """No rows of the port's types: macros that look at a source while they are compiled find its columns."""
    columns = mesh.declarations.producer(address).port(address).contract.columns
    return "(select " + ", ".join(f'null::{c.type.duckdb} as "{c.name}"' for c in columns) + " where false)"


def normalised(sql: str) -> str:
    """The same for the same query, however it is laid out and commented; text that cannot be read stands for itself."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        return sqlglot.parse_one(sql, dialect="duckdb").sql(dialect="duckdb", comments=False)
    except SqlglotError:
        return sql


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


def _verdict(test: Node, result: Result | None) -> RuleResult:
    """A test that was skipped or crashed was not evaluated."""
    status = result.status if result else "not run"
    evaluated = status in ("pass", "fail", "warn")
    return RuleResult(
        rule=f"dbt_{test.name}",
        kind="gate",
        severity=test.severity,
        scope="port",
        outcome="passed" if status == "pass" else "failed" if evaluated else "not_evaluated",
        failing=result.failing if result and evaluated else None,
        expected=f"the dbt test in {test.file} returns no rows",
        message=" ".join(result.message.split()) if result and result.message else f"dbt: {status}",
    )
