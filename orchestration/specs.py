"""What Dagster shows of a port: key, group, owners, kinds, columns, where they come from, rules, and promises.

Nothing here runs. Next: `events.py` says what a run reports.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import dagster as dg

from lakehouse.address import Address
from lakehouse.columns import Columns, of_port, plain_sql
from lakehouse.declare import Declarations
from lakehouse.declare.contract import Column, Contract
from lakehouse.declare.product import OutputPort, Product
from lakehouse.diff import fingerprint
from lakehouse.errors import MeshError
from lakehouse.rules import gate_rules, row_rules
from lakehouse.settings import Settings
from orchestration.automation import condition, freshness
from orchestration.keys import key_of
from orchestration.partitions import daily
from orchestration.transforms import code_version

DBT_TESTS = "dbt_tests"
"""One check for all dbt tests of a port, where dbt cannot tell which there are: the rest of the domain loads all the same."""
EXTRA = "extra.py"
"""Where a domain writes Dagster assets by hand."""
_ENGINES = ("polars", "duckdb", "pandas", "pyspark", "pyarrow")


@dataclass(frozen=True, slots=True)
class SpecWriter:
    """Describes ports of one mesh to Dagster; with `settings`, also the dbt tests of those that have models."""

    declarations: Declarations
    settings: Settings | None = None

    def ports(self, product: Product) -> list[dg.AssetSpec]:
        """A spec for each output port of a product."""
        return [self._port(product, port) for port in product.outputs]

    def checks(self, product: Product) -> list[dg.AssetCheckSpec]:
        """A check for each rule of each port, dbt's tests among them."""
        tests = self._tests(product) if product.models else {}
        return [
            dg.AssetCheckSpec(rule, asset=key_of(port.address), description=text or None)
            for port in product.outputs
            for rule, text in (*_rules(port).items(), *tests.get(port.name, {}).items())
        ]

    def _tests(self, product: Product) -> Mapping[str, Mapping[str, str]]:
        """The rules that dbt's tests are, by port. dbt is started only when its project has changed since it was last asked."""
        from orchestration.dbt_compiled import compiled
        from orchestration.dbt_project import Project

        with suppress(MeshError):
            if self.settings:
                return compiled(Project.of(self.settings), self.declarations, product).tests
        return {port.name: {DBT_TESTS: "The dbt tests of the model."} for port in product.outputs}

    def stub(self, address: Address) -> dg.AssetSpec:
        """A port of another domain, as its consumers need to know it."""
        return dg.AssetSpec(key_of(address), partitions_def=self.partitions(self.declarations.producer(address)))

    def partitions(self, product: Product) -> dg.DailyPartitionsDefinition | None:
        return daily(self.declarations, product)

    def _port(self, product: Product, port: OutputPort) -> dg.AssetSpec:
        contract, read = port.contract, sorted({i.address for i in product.inputs if i.address})
        return dg.AssetSpec(
            key_of(port.address),
            deps=[*map(self._dependency, read), *map(key_of, self._siblings(product, port))],
            description=contract.description or product.purpose,
            group_name=product.address.port,
            owners=owners(product),
            kinds=_kinds(product, port),
            tags=_tags(product),
            code_version=_code_version(product, port),
            skippable=True,
            partitions_def=self.partitions(product),
            automation_condition=condition(product, [a for a in read if self._is_partitioned(a)]),
            freshness_policy=freshness(contract),
            metadata={
                "dagster/column_schema": _schema(contract),
                "dagster/table_name": str(port.address),
                "contract_version": contract.version,
                "write": port.write,
                **self._lineage(product, port),
            },
        )

    def _dependency(self, address: Address) -> dg.AssetDep:
        """All of a port is read, whatever its partitions."""
        return dg.AssetDep(key_of(address), partition_mapping=dg.AllPartitionMapping() if self._is_partitioned(address) else None)

    def _siblings(self, product: Product, port: OutputPort) -> list[Address]:
        """The ports of the same product that a function reads. Of a partitioned one Dagster would ask each run for its partition."""
        function = product.functions.get(port.name) if self.partitions(product) is None else None
        return [o.address for o in product.outputs if function and o.name in function.parameters]

    def _is_partitioned(self, address: Address) -> bool:
        return any(o.address == address and self.partitions(p) for p, o in self.declarations.ports())

    def _lineage(self, product: Product, port: OutputPort) -> Mapping[str, object]:
        sql = plain_sql(_model_text(self.declarations, product, port)) if port.name in product.models else None
        columns = of_port(self.declarations, product, port, sql)
        found = {name: deps for name, sources in columns.items() if (deps := [*_deps(product, columns, name)])}
        if not found:
            return {}
        methods = sorted({source.method for sources in columns.values() for source in sources})
        return {"dagster/column_lineage": dg.TableColumnLineage(deps_by_column=found), "column_lineage_method": ", ".join(methods)}


def _deps(product: Product, columns: Columns, name: str) -> Iterator[dg.TableColumnDep]:
    """The columns of ports that one comes from. Deliveries are no assets."""
    ports = {i.name: i.address for i in product.inputs if i.address} | {o.name: o.address for o in product.outputs}
    for source in columns[name]:
        if source.dataset in ports:
            yield dg.TableColumnDep(asset_key=key_of(ports[source.dataset]), column_name=source.column)


def _rules(port: OutputPort) -> dict[str, str]:
    """Rule name -> its description, in the order in which the gate reports them."""
    found = {r.name: r.description for r in row_rules(port.contract)}
    found["type"] = "Every value can be cast to its column's type; rows of others are set aside."
    limit = port.contract.quarantine
    found["quarantine"] = f"A batch is blocked when more than {limit.percent:g} % and more than {limit.rows} rows would be set aside."
    if port.write == "overwrite" and not port.allow_empty:
        found["not_empty"] = "At least one row."
    return found | {r.name: r.description for r in gate_rules(port.contract, port.write)}


def owners(product: Product) -> list[str]:
    """The team and those of its members who have an e-mail address."""
    team = re.sub(r"[^A-Za-z0-9_-]+", "-", product.team.name)
    return [*([f"team:{team}"] if team else []), *(m for m in product.team.members if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", m))]


def _kinds(product: Product, port: OutputPort) -> set[str]:
    """At most three are shown: how it is made, by which engine, where it is kept."""
    if product.models:
        return {"dbt", "duckdb", "iceberg"}
    function = product.functions.get(port.name)
    if function is None:
        return {"iceberg"}
    engine = next((e for text in (function.returns, *function.parameters.values()) for e in _ENGINES if text.startswith(e)), None)
    return {"python", "iceberg", *([engine] if engine else [])}


def _tags(product: Product) -> dict[str, str]:
    """Labels in the spelling that Dagster allows."""
    labels = {re.sub(r"[^A-Za-z0-9_.-]+", "_", tag)[:63]: "" for tag in product.tags}
    return {
        **{label: text for label, text in labels.items() if label.strip("_.-")},
        "product": product.address.port,
        "status": product.status,
    }


def _code_version(product: Product, port: OutputPort) -> str:
    """Changes with the meaning of the code or of the contract."""
    meaning = fingerprint(port.contract)[:8]
    if product.models:
        text = "".join((product.folder.parents[2] / m).read_text(encoding="utf-8") for m in product.models.values())
        return f"{hashlib.sha256(text.encode()).hexdigest()[:12]}-{meaning}"
    if product.asset:
        return f"{code_version((product.folder.parent / EXTRA).read_text(encoding='utf-8'))}-{meaning}"
    if not product.functions:
        return f"pass-through-{meaning}"
    return f"{code_version((product.folder / 'transform.py').read_text(encoding='utf-8'))}-{meaning}"


def _model_text(declarations: Declarations, product: Product, port: OutputPort) -> str:
    return (declarations.root / product.models[port.name]).read_text(encoding="utf-8")


def _schema(contract: Contract) -> dg.TableSchema:
    return dg.TableSchema([_column(c, contract.key) for c in contract.columns])


def _column(column: Column, key: Sequence[str]) -> dg.TableColumn:
    told = [f"primary key {key.index(column.name) + 1}"] if column.name in key else []
    told += [f"partitioned by {column.partition}"] if column.partition else []
    told += [f"one of {', '.join(map(str, column.enum))}"] if column.enum else []
    return dg.TableColumn(
        column.name,
        type=str(column.type),
        description=column.description or None,
        constraints=dg.TableColumnConstraints(
            nullable=not (column.required or column.name in key), unique=column.unique or tuple(key) == (column.name,), other=told
        ),
        tags={"classification": column.classification},
    )
