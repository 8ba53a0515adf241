"""How do I try a product without a mesh of my own? A throw-away mesh in a folder, a clock that stands still, deliveries as rows.

    folder = MeshFolder(tmp_path)
    folder.product("sales.orders", columns={"id": "integer", "amount": {"logicalType": "number", "required": True}}, key=["id"])
    folder.deliver("sales.orders", "monday.csv", [{"id": 1, "amount": 9.5}])
    with folder.open() as mesh: ...

What is written are ordinary declarations: look at them when a test surprises you. Next: `mesh.py`.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import yaml

from lakehouse.address import Address
from lakehouse.declare.product import Write
from lakehouse.declared import load
from lakehouse.mesh import Mesh
from lakehouse.settings import Settings

Property = str | Mapping[str, object]
"""A column: its logicalType, or an ODCS property without its name."""
Row = Mapping[str, object]
NULL = "NA"
"""How a delivery spells None, so that an empty text stays one."""


@dataclass(slots=True)
class Clock:
    """A clock that stands still until it is told to go on."""

    at: datetime = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, by: timedelta) -> None:
        self.at += by


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A further output port of a product; `quality`, `relationships` and `contract` are ODCS, `declared` the entry `lakemesh` of ODPS."""

    name: str
    columns: Mapping[str, Property]
    key: Sequence[str] = ()
    partitions: Mapping[str, str] = field(default_factory=dict)
    write: Write = "append"
    version: str = "1.0.0"
    quality: Sequence[Mapping[str, object]] = ()
    contract: Mapping[str, object] = field(default_factory=dict)
    declared: Mapping[str, object] = field(default_factory=dict)


class MeshFolder:
    """A mesh at `root`, which is made when it is not there. Its gate runs as plain SQL, which starts faster than soda."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = Clock()
        root.mkdir(parents=True, exist_ok=True)
        (root / "mesh.toml").write_text('[checks]\nrunner = "sql"\n', encoding="utf-8")

    def open(self, **settings: object) -> Mesh:
        """The mesh as it is declared now; raises when a declaration is wrong."""
        declarations = load(self.root)
        declarations.raise_errors()
        return Mesh.open(Settings.find(self.root, self.root / ".mesh", **settings), declarations, now=self.clock)

    def product(
        self,
        address: str,
        *,
        columns: Mapping[str, Property],
        landed: Mapping[str, Property] | None = None,
        reads: Mapping[str, str] | None = None,
        transform: str | None = None,
        siblings: Sequence[Port] = (),
        source: Mapping[str, object] | None = None,
        read: str = "full",
        key: Sequence[str] = (),
        partitions: Mapping[str, str] | None = None,
        write: Write = "append",
        version: str = "1.0.0",
        quality: Sequence[Mapping[str, object]] = (),
        contract: Mapping[str, object] | None = None,
        declared: Mapping[str, object] | None = None,
    ) -> Path:
        """Declare a product, or declare it anew; gives its folder.

        It reads its landing folder, unless `reads` names ports: input port -> address. `landed` are the columns of a delivery, the
        main port's by default. `source` adds to the source's declaration (`batch`, `order`, `delivery`).
        """
        parsed = Address.parse(address)
        main = Port(
            name=parsed.port,
            columns=columns,
            key=key,
            partitions=partitions or {},
            write=write,
            version=version,
            quality=quality,
            contract=contract or {},
            declared=declared or {},
        )
        folder = self.root / "domains" / parsed.domain / parsed.port
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _write(folder.parent / "domain.yaml", _domain(parsed.domain))
        inputs = [_reading(name, port, read) for name, port in (reads or {}).items()] or [_landing(parsed, source or {})]
        _write(folder / "product.odps.yaml", _odps(parsed, inputs, [main, *siblings], source_aligned=not reads))
        for port in (main, *siblings):
            _write(folder / f"{port.name}.odcs.yaml", _odcs(parsed.domain, port))
        if not reads:
            _write(folder / "landed.odcs.yaml", _odcs(parsed.domain, Port(name="landed", columns=landed or columns)))
        if transform:
            (folder / "transform.py").write_text(dedent(transform), encoding="utf-8")
        return folder

    def deliver(self, product: str, name: str, rows: Iterable[Row] | str) -> Path:
        """Put a CSV file of rows, or text as it is, into the landing folder of a product."""
        path = self.landing(product) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rows if isinstance(rows, str) else _csv(list(rows)), encoding="utf-8")
        return path

    def landing(self, product: str) -> Path:
        return self.root / "landing" / product


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: NULL if value is None else value for name, value in row.items()} for row in rows)
    return text.getvalue()


def _write(path: Path, document: Mapping[str, object]) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def _entry(value: Mapping[str, object]) -> list[dict[str, object]]:
    return [{"property": "lakemesh", "vendor": "lakemesh", "value": dict(value)}]


def _domain(name: str) -> dict[str, object]:
    return {"purpose": f"Tries {name}.", "team": {"name": name, "members": [{"username": f"{name}@example.com"}]}, "timezone": "UTC"}


def _landing(product: Address, source: Mapping[str, object]) -> dict[str, object]:
    files = {"path": f"landing/{product}", "format": "csv", "dialect": {"nulls": [NULL]}}
    return {"name": "landed", "customProperties": _entry({"source": {"files": files}, **source})}


def _reading(name: str, port: str, read: str) -> dict[str, object]:
    return {"name": name, "contractId": port, "version": "1.0.0", "customProperties": _entry({"read": read})}


def _odps(product: Address, inputs: Sequence[object], ports: Sequence[Port], *, source_aligned: bool) -> dict[str, object]:
    return {
        "apiVersion": "v1.1.0",
        "kind": "DataProduct",
        "id": str(product),
        "version": "1.0.0",
        "status": "active",
        "type": "sourceAligned" if source_aligned else "consumerAligned",
        "description": {"purpose": f"Tries {product}."},
        "inputPorts": list(inputs),
        "outputPorts": [_output(product.domain, port) for port in ports],
    }


def _output(domain: str, port: Port) -> dict[str, object]:
    return {
        "name": port.name,
        "version": port.version,
        "contractId": f"{domain}.{port.name}",
        "customProperties": _entry({"write": port.write, **port.declared}),
    }


def _odcs(domain: str, port: Port) -> dict[str, object]:
    return {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": f"{domain}.{port.name}",
        "version": port.version,
        "schema": [{"name": port.name, "properties": [_property(port, name) for name in port.columns], "quality": list(port.quality)}],
        **port.contract,
    }


def _property(port: Port, name: str) -> dict[str, object]:
    given = port.columns[name]
    made: dict[str, object] = {"name": name, "classification": "public"}
    made |= {"logicalType": given} if isinstance(given, str) else given
    if name in port.key:
        made |= {"primaryKey": True, "primaryKeyPosition": port.key.index(name) + 1}
    if name in port.partitions:
        position = list(port.partitions).index(name) + 1
        made |= {"partitioned": True, "partitionKeyPosition": position, "customProperties": _entry({"partition": port.partitions[name]})}
    return made
