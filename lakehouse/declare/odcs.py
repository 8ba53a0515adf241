"""What does a contract file mean? `<port>.odcs.yaml` -> `Contract`.

Next: `products.py` reads the product that promises it.
"""

from __future__ import annotations

import re
from pathlib import Path

from lakehouse.address import Address
from lakehouse.declare import document, standard
from lakehouse.declare.columns import columns
from lakehouse.declare.contract import Contract, QualityRule, QuarantineLimit
from lakehouse.declare.entry import entry
from lakehouse.declare.findings import Findings
from lakehouse.declare.node import Node
from lakehouse.declare.promises import quality_rules, service_levels
from lakehouse.declare.relationships import relationships
from lakehouse.declare.vendor import ContractEntry

VERSION = re.compile(r"\d+(\.\d+){0,2}")
_CURRENT = "v3.2.0"
_OLDER = ("v3.1.0", "v3.0.2", "v3.0.1", "v3.0.0")


def read(path: Path, root: Path, address: Address, findings: Findings) -> Contract | None:
    """The contract of `address`, or None when its file is no valid ODCS."""
    found = document.read(path, root, findings)
    if found is None or not standard.check(found, findings):
        return None
    return compile_contract(Node.root(found), address, findings)


def compile_contract(root: Node, address: Address, findings: Findings) -> Contract | None:
    """What the platform executes of a valid contract; None when it declares no columns."""
    _check_head(root, address, findings)
    schemas = root.nodes("schema")
    if len(schemas) != 1:
        findings.error(root.place("schema"), f"declares {len(schemas)} tables", "one contract describes one port: one item under `schema`")
        return None
    return _contract(root, schemas[0], address, findings)


def _contract(root: Node, schema: Node, address: Address, findings: Findings) -> Contract | None:
    if schema.text("name") != address.port:
        findings.error(schema.place("name"), f"{schema.text('name')!r} is not the port {address.port!r}", f"write `name: {address.port}`")
    properties = schema.nodes("properties")
    if not properties:
        findings.error(schema.place("properties"), "declares no columns", "list them under `properties`")
        return None
    limit = entry(ContractEntry, root, findings).quarantine
    return Contract(
        address=address,
        version=root.text("version"),
        columns=columns(properties, findings),
        quality=_quality(schema, properties, findings),
        relationships=relationships(schema, address, findings),
        service_levels=service_levels(root, address.port, findings),
        servers=tuple(server.text("server") for server in root.nodes("servers")),
        quarantine=QuarantineLimit(percent=limit.percent, rows=limit.rows),
        description=schema.text("description") or root.node("description").text("purpose"),
        place=root.place(),
    )


def _quality(schema: Node, properties: tuple[Node, ...], findings: Findings) -> tuple[QualityRule, ...]:
    rules = [rule for prop in properties for rule in quality_rules(prop, prop.text("name"), findings)]
    return (*rules, *quality_rules(schema, None, findings))


def _check_head(root: Node, address: Address, findings: Findings) -> None:
    version = root.text("apiVersion")
    if version in _OLDER:
        findings.warning(root.place("apiVersion"), f"{version} is read as {_CURRENT}", f"write `apiVersion: {_CURRENT}`")
    elif version != _CURRENT:
        findings.error(root.place("apiVersion"), f"{version} is too old to be read", f"write `apiVersion: {_CURRENT}`")
    if not VERSION.fullmatch(root.text("version")):
        findings.error(root.place("version"), f"{root.text('version')!r} is no version", 'write three numbers: "1.0.0"')
    agree(root, "id", str(address), findings)
    agree(root, "domain", address.domain, findings)
    agree(root, "name", address.port, findings)
    if "slaDefaultElement" in root:
        findings.documented_only(root.place("slaDefaultElement"), "the deprecated default element", "write `element` in the service level")
    if "team" in root:
        findings.documented_only(root.place("team"), "the team of a contract", "the team of the product or its domain answers for it")


def agree(node: Node, key: str, truth: str, findings: Findings, said_by: str = "the path") -> None:
    """What is already said elsewhere may be repeated, but not contradicted."""
    given = node.text(key)
    if key in node and _slug(given) != truth:
        findings.error(
            node.place(key), f"{key} {given!r} contradicts {said_by}, which says {truth!r}", f"write `{key}: {truth}`, or leave it out"
        )


def _slug(text: str) -> str:
    return re.sub(r"[\s\-]+", "_", text.strip().lower())
