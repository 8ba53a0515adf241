"""Do the products of a mesh agree with each other? Owners, inputs, versions, status, classification, foreign keys, cycles.

A product with problems of its own is not blamed on those who read it. Next: `lakehouse/rules.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from lakehouse.address import Address
from lakehouse.declare.contract import CLASSIFICATIONS, Contract, Relationship
from lakehouse.declare.findings import Findings, suggestion
from lakehouse.declare.origin import ALIKE, made_of, parted_alike
from lakehouse.declare.product import InputPort, OutputPort, Product
from lakehouse.declare.products import Folder
from lakehouse.types import ColumnType, Primitive


def check(folders: Collection[Folder]) -> None:
    """Report, in each folder's findings, where it contradicts another."""
    mesh = _Mesh(folders)
    for folder in folders:
        if folder.product is not None:
            mesh.check(folder.product, folder.findings)


class _Mesh:
    """All products that could be read, by the addresses of their ports."""

    def __init__(self, folders: Collection[Folder]) -> None:
        self.claimed = {address for folder in folders for address in (folder.address, *folder.claimed)}
        self.owners: dict[Address, Product] = {}
        self.ports: dict[Address, OutputPort] = {}
        self.upstream: dict[Address, set[Address]] = {}
        for product in (f.product for f in folders if f.product is not None):
            for port in product.outputs:
                self.owners.setdefault(port.address, product)
                self.ports.setdefault(port.address, port)
        for product in (f.product for f in folders if f.product is not None):
            read = [self.owners.get(port.address) for port in product.inputs if port.address is not None]
            self.upstream[product.address] = {owner.address for owner in read if owner is not None}

    def check(self, product: Product, findings: Findings) -> None:
        for port in product.outputs:
            owner = self.owners[port.address]
            if owner.address != product.address:
                findings.error(
                    port.place, f"the port {port.address} belongs to {owner.address}", "rename one of them: a port has one owner"
                )
            for relationship in port.contract.relationships:
                self._check_relationship(relationship, port.contract, findings)
        for needed in product.inputs:
            if needed.address is not None:
                self._check_input(needed, needed.address, product, findings)
                self._check_cycle(needed, needed.address, product, findings)
        if product.successor is not None and product.successor not in map(str, self.ports):
            findings.error(
                product.place, f"the successor {product.successor!r} is no port", suggestion(product.successor, map(str, self.ports))
            )

    def _check_input(self, port: InputPort, address: Address, reader: Product, findings: Findings) -> None:
        if address not in self.ports:
            if address not in self.claimed:
                findings.error(port.place, f"there is no port {address}", suggestion(str(address), map(str, self.ports)))
            return
        owner, contract = self.owners[address], self.ports[address].contract
        if port.version is not None and port.version != str(contract.major):
            hint = f'adapt to {contract.version} and write `version: "{contract.major}"`'
            findings.error(port.place, f"version {port.version} of {address} is gone: it is at {contract.version}", hint)
        self._check_status(port, owner, reader, findings)
        _check_changes(port, contract, reader, findings)
        if owner.address != reader.address:
            _check_classification(address, contract, reader, findings)

    def _check_status(self, port: InputPort, owner: Product, reader: Product, findings: Findings) -> None:
        if owner.status == "retired" and reader.status != "retired":
            hint = f"read {owner.successor} instead" if owner.successor else "ask its owner what replaces it"
            findings.error(port.place, f"{port.address} is retired", hint)
        elif owner.status == "deprecated":
            hint = f"move to {owner.successor}" if owner.successor else "ask its owner what replaces it"
            findings.warning(port.place, f"{port.address} is deprecated", hint)
        elif owner.status in ("proposed", "draft") and owner.address.domain != reader.address.domain:
            hint = f"wait until {owner.address} is active; inside its domain it can be read now"
            findings.error(port.place, f"{port.address} is only {owner.status}", hint)

    def _check_relationship(self, relationship: Relationship, contract: Contract, findings: Findings) -> None:
        target = self.ports.get(relationship.to)
        if target is None:
            if relationship.to not in self.claimed:
                findings.error(
                    relationship.place, f"there is no port {relationship.to}", suggestion(str(relationship.to), map(str, self.ports))
                )
            return
        there = {c.name: c for c in target.contract.columns}
        here = {c.name: c for c in contract.columns}
        for name, to in zip(relationship.columns, relationship.to_columns, strict=False):
            if to not in there:
                findings.error(relationship.place, f"{relationship.to} has no column {to!r}", suggestion(to, there))
            elif name in here and not _comparable(here[name].type, there[to].type):
                what = f"{name} is {here[name].type}, {relationship.to}.{to} is {there[to].type}"
                findings.error(relationship.place, what, "give both columns the same type")

    def _check_cycle(self, port: InputPort, address: Address, reader: Product, findings: Findings) -> None:
        way = self._way(address, reader.address) if address in self.owners else None
        if way:
            shown = " <- ".join(map(str, (reader.address, *way)))
            findings.error(port.place, f"reads itself: {shown}", "break the circle: one of them must not read the other")

    def _way(self, start: Address, end: Address) -> tuple[Address, ...] | None:
        """The shortest way upstream from the owner of `start` to the product at `end`."""
        first = self.owners[start].address
        waiting: deque[tuple[Address, ...]] = deque([(first,)])
        seen = {first}
        while waiting:
            way = waiting.popleft()
            if way[-1] == end:
                return way
            for upstream in sorted(self.upstream[way[-1]] - seen):
                seen.add(upstream)
                waiting.append((*way, upstream))
        return None


def _comparable(here: ColumnType, there: ColumnType) -> bool:
    """Can values of the two types be equal without a cast that loses something?"""
    whole = (Primitive("int"), Primitive("long"))
    return here == there or (here in whole and there in whole)


def _check_changes(port: InputPort, contract: Contract, reader: Product, findings: Findings) -> None:
    """Who replaces rows by what changed has to be given all that it replaces."""
    for output in reader.outputs if port.read == "changes" else ():
        functions = reader.functions.get(output.name)
        if functions is not None and port.name not in functions.parameters:
            continue
        others = [i for i in reader.inputs if i.read == "changes" and (functions is None or i.name in functions.parameters)]
        if output.write == "overwrite":
            findings.error(port.place, f"{output.name!r} would be replaced by what changed in {port.address}", "write `read: full`")
        elif output.write == "overwrite_partitions" and contract.partitions and not parted_alike(output.contract, contract):
            what = f"{output.name!r} replaces partitions by those of {port.address}, and is not partitioned like it"
            findings.error(port.place, what, f"partition both alike ({ALIKE}), or write `read: full`")
        elif output.write == "overwrite_partitions" and others[0] is not port:
            what = f"{output.name!r} replaces partitions by what changed in {others[0].name!r} and in {port.name!r}, which change apart"
            findings.error(port.place, what, "write `read: full` at all of them, or at all but one that the others only add to")


def _check_classification(address: Address, contract: Contract, reader: Product, findings: Findings) -> None:
    """A column that comes from a classified one is classified at least as high."""
    for column in (c for port in reader.outputs for c in port.contract.columns):
        for source in made_of(column, contract):
            if CLASSIFICATIONS.index(column.classification) < CLASSIFICATIONS.index(source.classification):
                what = f"{column.name!r} is {column.classification}, but {address}.{source.name} is {source.classification}"
                hint = "classify it as high; if it comes from elsewhere, name the columns in `transformSourceObjects`"
                findings.error(column.place, what, hint)
