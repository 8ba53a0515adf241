"""What does a product read and promise? The items of `inputPorts` and `outputPorts` -> `InputPort`, `OutputPort`.

Next: `products.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

from lakehouse.address import NAME, Address, name_problem
from lakehouse.declare import document, odcs, standard
from lakehouse.declare.contract import Contract
from lakehouse.declare.entry import entry, entry_or_none
from lakehouse.declare.findings import Findings
from lakehouse.declare.node import Node
from lakehouse.declare.product import Dialect, FileSource, InputPort, OutputPort, Status
from lakehouse.declare.vendor import Files, InputPortEntry, OutputPortEntry

_PLACEHOLDER = re.compile(r"\{[a-z][a-z0-9_]*\}")


def output_port(node: Node, product: Address, folder: Path, root: Path, status: Status | None, findings: Findings) -> OutputPort | None:
    """An output port and its contract; None when the contract cannot be understood."""
    name = node.text("name")
    _check_name(node, product, findings)
    ours = entry(OutputPortEntry, node, findings)
    if "contractId" in node and node.text("contractId") != f"{product.domain}.{name}":
        findings.error(
            node.place("contractId"), f"is not the contract of {product.domain}.{name}", f"write `contractId: {product.domain}.{name}`"
        )
    path = folder / f"{name}.odcs.yaml"
    if not NAME.fullmatch(name) or not path.exists():
        findings.error(node.place("name"), f"the port {name!r} has no contract", f"write {name}.odcs.yaml beside this file")
        return None
    contract = _contract(path, root, Address(product.domain, name), product, status, findings)
    if contract is None:
        return None
    _check_version(node, contract, findings)
    return OutputPort(
        name=name, contract=contract, write=ours.write, order_by=ours.orderBy, allow_empty=ours.allowEmpty, place=node.place()
    )


def _check_name(node: Node, product: Address, findings: Findings) -> None:
    name = node.text("name")
    if problem := name_problem(name):
        findings.error(node.place("name"), problem, "rename the port and its contract's file")
    elif name != product.port and not name.startswith(f"{product.port}_"):
        findings.error(node.place("name"), f"{name!r} does not begin with the product's name", f"call it {product.port}_{name}")


def _contract(path: Path, root: Path, address: Address, product: Address, status: Status | None, findings: Findings) -> Contract | None:
    found = document.read(path, root, findings)
    if found is None or not standard.check(found, findings):
        return None
    node = Node.root(found)
    odcs.agree(node, "dataProduct", product.port if "." not in node.text("dataProduct") else str(product), findings)
    if status is not None:
        odcs.agree(node, "status", status, findings, said_by="the product")
    return odcs.compile_contract(node, address, findings)


def _check_version(node: Node, contract: Contract, findings: Findings) -> None:
    given = node.text("version")
    if given and not f"{contract.version}.".startswith(f"{given}."):
        findings.error(
            node.place("version"), f"says {given}, its contract says {contract.version}", "change one of them, or leave it out here"
        )


def input_port(node: Node, product: Address, folder: Path, root: Path, main: Contract | None, findings: Findings) -> InputPort | None:
    """An input port: a source with the contract that types it (`main` when rows go through as they are), or another product's port."""
    name = node.text("name")
    if problem := name_problem(name):
        findings.error(node.place("name"), problem, "rename the input port")
        return None
    ours = entry_or_none(InputPortEntry, node, findings)
    address = _address(node, findings)
    if ours is None:
        return None
    if (ours.source is None) == (address is None and "contractId" not in node):
        hint = "either `contractId: domain.port` or `source` in the lakemesh entry"
        findings.error(node.place("name"), f"{name!r} must read exactly one thing", hint)
        return None
    if ours.delivery is not None and not _PLACEHOLDER.search(ours.delivery):
        findings.error(node.place(), f"the delivery {ours.delivery!r} names no partition", "write a placeholder, such as {date}.csv")
    if ours.source is None and ours.model_fields_set & {"batch", "order", "delivery"}:
        findings.error(
            node.place(), "`batch`, `order` and `delivery` speak of sources", "another product's port is read by `read: full | changes`"
        )
    return InputPort(
        name=name,
        source=_file_source(ours.source.files, node, findings) if ours.source else None,
        expected=_expected(node, product, folder, root, main, findings) if ours.source else None,
        batch=ours.batch,
        order=ours.order,
        delivery=ours.delivery,
        address=address,
        version=_major(node, findings),
        read=ours.read,
        place=node.place(),
    )


def _address(node: Node, findings: Findings) -> Address | None:
    given = node.text("contractId")
    domain, _, port = given.partition(".")
    if NAME.fullmatch(domain) and NAME.fullmatch(port):
        return Address(domain, port)
    if "contractId" in node:
        findings.error(node.place("contractId"), f"{given!r} is no address", "write domain.port, such as operations.flights")
    return None


def _major(node: Node, findings: Findings) -> str | None:
    """The major version this consumer was written for."""
    given = node.text("version")
    if not given:
        if "contractId" in node:
            findings.warning(
                node.place("name"), "does not say which version it was written for", 'add `version: "1"`: the producer\'s major version'
            )
        return None
    if not odcs.VERSION.fullmatch(given):
        findings.error(node.place("version"), f"{given!r} is no version", 'write the producer\'s major version: "1"')
    return given.partition(".")[0]


def _expected(node: Node, product: Address, folder: Path, root: Path, main: Contract | None, findings: Findings) -> Contract | None:
    name = node.text("name")
    path = folder / f"{name}.odcs.yaml"
    if path.exists():
        return odcs.read(path, root, Address(product.domain, name), findings)
    if main is None:
        hint = f"write {name}.odcs.yaml beside this file; types are never guessed"
        findings.error(node.place("name"), f"nothing says which columns {name!r} delivers", hint)
    return main


def _file_source(files: Files, node: Node, findings: Findings) -> FileSource:
    if not files.path.strip():
        findings.error(node.place(), "the source's path is empty", "name a file, a folder or a glob")
    if files.format != "csv" and "dialect" in files.model_fields_set:
        findings.error(node.place(), f"a dialect for {files.format} files", "only CSV has one")
    d = files.dialect
    return FileSource(
        path=files.path,
        format=files.format,
        dialect=Dialect(
            delimiter=d.delimiter,
            quote=d.quote,
            escape=d.escape,
            header=d.header,
            nulls=tuple(d.nulls),
            encoding=d.encoding,
            date_format=d.dateFormat,
            timestamp_format=d.timestampFormat,
            decimal=d.decimal,
            skip=d.skip,
        ),
    )
