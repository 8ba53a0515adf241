"""What do a product's models and tests mean? Their SQL as dbt compiles it, a version of it, and what they may read.

It is kept below the mesh's home until a file of the project changes, so that a run with nothing to do does not start dbt.
Next: `dbt.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path

from lakehouse.declare import Declarations
from lakehouse.declare.product import OutputPort, Product
from lakehouse.errors import NotInstalled, TransformFailed
from lakehouse.types import quote
from orchestration.dbt_offer import Offer
from orchestration.dbt_project import Node, Project, write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What the product's models and tests mean: a version, the SQL of each port's model, the rules of each port with what they ask."""

    version: str
    models: Mapping[str, str]
    tests: Mapping[str, Mapping[str, str]]


def compiled(project: Project, declarations: Declarations, product: Product) -> Compiled:
    """TransformFailed when the models cannot be compiled, or read what the product has not declared."""
    file = project.home / "compiled" / f"{product.address}.json"
    digest = project_digest(project.folder, product)
    return _kept(file, digest) or _compile(project, declarations, product, file, digest)


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


def port_of(test: Node, nodes: Mapping[str, Node], product: Product) -> OutputPort:
    """The port that a test is about; a test of a private model counts for the main port."""
    names = [nodes[id].name for id in (test.about or "", *test.reads) if id in nodes]
    return next((o for name in names for o in product.outputs if model_name(o) == name), product.main)


def rule_of(test: Node) -> str:
    """A test's name among the rules of its port, in letters that every reader of rules takes."""
    return "dbt_" + re.sub(r"\W", "_", test.name, flags=re.ASCII)


def expected(test: Node) -> str:
    """What a test asks, in words."""
    return f"the dbt test in {test.file} returns no rows"


def project_digest(folder: Path, product: Product) -> str:
    """Changes with any file of the project that dbt reads, with what the product may read, and with dbt."""
    files = sorted(f for kind in ("sql", "yml", "yaml", "csv", "py") for f in folder.rglob(f"*.{kind}"))
    mine = [f for f in files if f.relative_to(folder).parts[0] not in ("target", "logs")]
    try:
        digest = hashlib.sha256(f"{installed('dbt-core')} {installed('dbt-duckdb')}".encode())
    except PackageNotFoundError as error:
        raise NotInstalled.extra("dbt", "dbt") from error  # noqa: S610  (not Django's)
    digest.update(" ".join(sorted(str(i.address) for i in product.inputs)).encode())
    for file in mine:
        digest.update(f"\n{file.relative_to(folder)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _kept(file: Path, digest: str) -> Compiled | None:
    """What was compiled before from the same project, so that a run with nothing to do need not start dbt."""
    if not file.is_file():
        return None
    kept = json.loads(file.read_text(encoding="utf-8"))
    if kept.pop("digest") != digest or kept.keys() != {f.name for f in fields(Compiled)}:
        return None
    return Compiled(**kept)


def _compile(project: Project, declarations: Declarations, product: Product, file: Path, digest: str) -> Compiled:
    nodes = project.nodes()
    models, tests = list(models_of(nodes, product)), list(tests_of(nodes, product))
    for node in (*models, *tests):
        _refuse(node, nodes, product)
    with project.running("compile", [n.name for n in (*models, *tests)], _empty(declarations, product)) as results:
        sql = {r.name: r.compiled for r in results}
    rules = {o.name: {rule_of(t): expected(t) for t in tests if port_of(t, nodes, product) is o} for o in product.outputs}
    made = Compiled(version=_version(sql, tests), models={o.name: _sql_of(o, product, sql) for o in product.outputs}, tests=rules)
    write_whole(file, json.dumps({"digest": digest, **asdict(made)}))
    return made


def _version(sql: Mapping[str, str], tests: Sequence[Node]) -> str:
    settings = {t.name: t.setting for t in tests}
    meaning = [f"{name}: {normalised(text)} {settings.get(name, '')}" for name, text in sorted(sql.items())]
    return hashlib.sha256("\n".join(meaning).encode()).hexdigest()[:12]


def _sql_of(port: OutputPort, product: Product, sql: Mapping[str, str]) -> str:
    if model_name(port) not in sql:
        raise TransformFailed(
            "dbt does not know this model", place=product.models[port.name], hint="is it disabled? dbt ls lists the models"
        )
    return sql[model_name(port)]


def _empty(declarations: Declarations, product: Product) -> Offer:
    """No rows of the input ports' types: macros that look at a source while they are compiled find its columns."""
    contracts = {i.address: declarations.producer(i.address).port(i.address).contract for i in product.inputs if i.address}
    columns = {a: ", ".join(f"null::{c.type.duckdb} as {quote(c.name)}" for c in contract.columns) for a, contract in contracts.items()}
    return Offer(ports={address: f"(select {listed} where false)" for address, listed in columns.items()})


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


def normalised(sql: str) -> str:
    """The same for the same query, however it is laid out and commented; text that cannot be read stands for itself."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        return sqlglot.parse_one(sql, dialect="duckdb").sql(dialect="duckdb", comments=False)
    except SqlglotError:
        return sql
