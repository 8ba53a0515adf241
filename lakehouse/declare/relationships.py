"""Which rows of other ports do rows point at? `relationships` of a contract.

A target is written `port.column` (same domain), `domain.port.column`, or as the standard's full reference
`path/port.odcs.yaml#/schema/port/properties/column`. Next: `odcs.py` puts the contract together.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from lakehouse.address import NAME, Address
from lakehouse.declare.contract import Relationship
from lakehouse.declare.entry import entry
from lakehouse.declare.findings import Findings
from lakehouse.declare.node import Node
from lakehouse.declare.vendor import RelationshipEntry

_FULL = re.compile(r"(?:(?P<file>[^#]+)#)?/?schema/(?P<port>[^/]+)/properties/(?P<column>[^/]+)")
_CONTRACT = re.compile(r"domains/(?P<domain>[a-z][a-z0-9_]*)/[^/]+/(?P<port>[a-z][a-z0-9_]*)\.odcs\.yaml")
_HINT = "write port.column, domain.port.column, or path/port.odcs.yaml#/schema/port/properties/column"


@dataclass(frozen=True, slots=True)
class _End:
    """A column of a port."""

    address: Address
    column: str


def relationships(schema: Node, address: Address, findings: Findings) -> tuple[Relationship, ...]:
    """The foreign keys of a port: those of its columns, then those of the schema."""
    found = [
        _of_column(node, prop.text("name"), address, findings)
        for prop in schema.nodes("properties")
        for node in prop.nodes("relationships")
    ]
    found += [_of_schema(node, address, findings) for node in schema.nodes("relationships")]
    return tuple(relationship for relationship in found if relationship is not None)


def _of_column(node: Node, column: str, address: Address, findings: Findings) -> Relationship | None:
    to = _ends(node, "to", address, findings)
    return _relationship(node, (_End(address, column),), to, findings)


def _of_schema(node: Node, address: Address, findings: Findings) -> Relationship | None:
    here, to = _ends(node, "from", address, findings), _ends(node, "to", address, findings)
    if any(end.address != address for end in here):
        findings.error(node.place("from"), f"a relationship of {address} begins elsewhere", "declare it in the contract whose rows point")
    return _relationship(node, here, to, findings)


def _relationship(node: Node, here: tuple[_End, ...], to: tuple[_End, ...], findings: Findings) -> Relationship | None:
    ours = entry(RelationshipEntry, node, findings)
    if not here or not to:
        return None
    if len(here) != len(to):
        findings.error(node.place("to"), f"{len(here)} columns point at {len(to)}", "name as many columns on both ends")
    if len({end.address for end in to}) > 1:
        findings.error(node.place("to"), "points at more than one port", "write one relationship per port")
    columns = tuple(end.column for end in here)
    return Relationship(
        name=node.text("id") or f"{'_'.join(columns)}_in_{to[0].address.domain}_{to[0].address.port}",
        columns=columns,
        to=to[0].address,
        to_columns=tuple(end.column for end in to),
        severity=ours.severity,
        scope=ours.scope,
        place=node.place(),
    )


def _ends(node: Node, key: str, address: Address, findings: Findings) -> tuple[_End, ...]:
    written = node.texts(key) or (node.text(key),)
    ends = tuple(_end(text, node, address) for text in written)
    for text, end in zip(written, ends, strict=True):
        if end is None:
            findings.error(node.place(key), f"{text!r} names no column of a port", _HINT)
    return tuple(end for end in ends if end is not None)


def _end(text: str, node: Node, address: Address) -> _End | None:
    if full := _FULL.fullmatch(text):
        found = _port_of_file(full["file"], node, address) if full["file"] else Address(address.domain, full["port"])
        return _End(found, full["column"]) if found else None
    domain, port, column = [address.domain, *text.split(".")][-3:] if text.count(".") in (1, 2) else ("", "", "")
    if not NAME.fullmatch(domain) or not NAME.fullmatch(port):
        return None
    return _End(Address(domain, port), column)


def _port_of_file(file: str, node: Node, address: Address) -> Address | None:
    """The port that a contract file declares: `domains/<domain>/<product>/<port>.odcs.yaml`, from here or from the root."""
    here = posixpath.normpath(posixpath.join(posixpath.dirname(node.document.file), file))
    found = _CONTRACT.fullmatch(file if file.startswith("domains/") else here)
    return Address(found["domain"], found["port"]) if found else None
