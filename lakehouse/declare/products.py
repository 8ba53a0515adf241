"""What does a product's folder declare? `product.odps.yaml`, its contracts, transforms or models -> `Product`.

Next: `crosscheck.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from lakehouse.address import Address, name_problem
from lakehouse.declare import document, odcs, signatures
from lakehouse.declare.contract import Contract, Place
from lakehouse.declare.entry import entry, shaped
from lakehouse.declare.findings import Findings, suggestion
from lakehouse.declare.node import Node
from lakehouse.declare.odps import DataProduct
from lakehouse.declare.ports import input_port, output_port
from lakehouse.declare.product import Domain, Function, InputPort, OutputPort, Product, Status, Team
from lakehouse.declare.vendor import ProductEntry

FILE = "product.odps.yaml"
_STATUSES: dict[str, Status] = {status: status for status in get_args(Status)}


@dataclass(slots=True, kw_only=True)
class Folder:
    """One product folder as it was read: the product, if it could be understood, and what was found on the way.

    `inputs` and `outputs` are the names it declares, `claimed` the ports it has contracts for, understood or not.
    """

    address: Address
    place: Place
    product: Product | None = None
    inputs: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    claimed: frozenset[Address] = frozenset()
    findings: Findings = field(default_factory=Findings)


def read(folder: Path, root: Path, domain: Domain) -> Folder:
    """Read a product's folder; what is wrong with it stands in the result's findings."""
    relative = folder.relative_to(root).as_posix()
    read = Folder(address=Address(domain.name, folder.name), place=Place(file=f"{relative}/{FILE}"))
    if problem := name_problem(folder.name):
        read.findings.error(Place(file=relative), problem, "rename the folder")
    found = document.read(folder / FILE, root, read.findings)
    read.claimed = frozenset(Address(domain.name, p.name.partition(".")[0]) for p in folder.glob("*.odcs.yaml"))
    if found is None:
        return read
    node = Node.root(found)
    read.inputs, read.outputs = (frozenset(p.text("name") for p in node.nodes(key)) for key in ("inputPorts", "outputPorts"))
    if shaped(DataProduct, node, read.findings) is not None:
        read.product = _Reader(folder, root, domain, node, read.findings).product()
    return read


class _Reader:
    """Reads one folder whose product file has the right shape."""

    def __init__(self, folder: Path, root: Path, domain: Domain, node: Node, findings: Findings) -> None:
        self.folder, self.root, self.domain, self.node, self.findings = folder, root, domain, node, findings
        self.address = Address(domain.name, folder.name)

    def product(self) -> Product | None:
        status = self._status()
        functions, models, ours = self._functions(), self._models(), entry(ProductEntry, self.node, self.findings)
        outputs = self._outputs(functions, status)
        if not outputs:
            return None
        inputs = self._inputs(outputs[0].contract, as_is=not functions and not models and not ours.asset)
        self._check_head()
        self._check_way_through(functions, models, asset=ours.asset)
        self._check_strays(inputs, outputs)
        return Product(
            address=self.address,
            folder=self.folder,
            version=self.node.text("version"),
            status=status or "active",
            title=self.node.text("name") or self.folder.name.replace("_", " "),
            purpose=self.node.node("description").text("purpose"),
            team=self._team(),
            inputs=inputs,
            outputs=outputs,
            functions=functions,
            models=models,
            asset=ours.asset,
            successor=self._successor(status, ours.successor),
            tags=self.node.texts("tags"),
            place=self.node.place(),
        )

    def _check_head(self) -> None:
        odcs.agree(self.node, "id", str(self.address), self.findings)
        odcs.agree(self.node, "domain", self.address.domain, self.findings)
        odcs.agree(self.node, "name", self.address.port, self.findings)
        if not odcs.VERSION.fullmatch(self.node.text("version")):
            self.findings.error(self.node.place("version"), f"{self.node.text('version')!r} is no version", 'write three numbers: "1.0.0"')

    def _status(self) -> Status | None:
        given = self.node.text("status")
        if given not in _STATUSES:
            what = f"{given!r} is no status" if given else "'status' is missing"
            self.findings.error(self.node.place("status"), what, suggestion(given, _STATUSES))
        return _STATUSES.get(given)

    def _successor(self, status: Status | None, successor: str | None) -> str | None:
        if status == "retired" and successor is None:
            self.findings.warning(
                self.node.place("status"), "retired without a successor", "add `successor: domain.port` to the lakemesh entry"
            )
        return successor

    def _team(self) -> Team:
        team = self.node.node("team")
        if not team.data:
            return self.domain.team
        members = tuple(m.text("username") for m in team.nodes("members"))
        return Team(name=team.text("name") or self.domain.team.name, members=members or self.domain.team.members)

    def _outputs(self, functions: dict[str, Function], status: Status | None) -> tuple[OutputPort, ...]:
        nodes = self.node.nodes("outputPorts")
        if not nodes:
            self.findings.error(self.node.place("outputPorts"), "has no output port", "a product promises at least one data set")
        found: dict[str, OutputPort] = {}
        for node in nodes:
            if node.text("name") in found:
                self.findings.error(
                    node.place("name"), f"the port {node.text('name')!r} is there twice", "a new version is a port of its own name"
                )
            elif port := output_port(node, self.address, self.folder, self.root, status, self.findings):
                found[port.name] = port
        if nodes and self.address.port not in {n.text("name") for n in nodes}:
            hint = f"the main port bears the product's name: call one {self.address.port!r}"
            self.findings.error(self.node.place("outputPorts"), f"no port is called {self.address.port!r}", hint)
        return self._ordered(found, functions)

    def _ordered(self, found: dict[str, OutputPort], functions: dict[str, Function]) -> tuple[OutputPort, ...]:
        """Main port first, then each port after the siblings it is computed from."""
        done: dict[str, OutputPort] = {}
        waiting = sorted(found, key=lambda name: name != self.address.port)
        while waiting:
            ready = [n for n in waiting if not {p for p in _parameters(n, functions) if p in waiting and p != n}]
            if not ready:
                where = self.node.place("outputPorts")
                self.findings.error(where, f"{', '.join(sorted(waiting))} are computed from each other", "break the circle in transform.py")
                ready = waiting
            if not done and ready[0] != self.address.port and self.address.port in found:
                hint = "compute it from the input ports; further ports are computed from it"
                self.findings.error(self.node.place("outputPorts"), "the main port is computed from a sibling", hint)
            done |= {ready[0]: found[ready[0]]}
            waiting.remove(ready[0])
        return tuple(done.values())

    def _inputs(self, main: Contract, *, as_is: bool) -> tuple[InputPort, ...]:
        found: dict[str, InputPort] = {}
        for node in self.node.nodes("inputPorts"):
            if node.text("name") in found:
                self.findings.error(node.place("name"), f"the input port {node.text('name')!r} is there twice", "give each its own name")
            elif port := input_port(node, self.address, self.folder, self.root, main if as_is else None, self.findings):
                found[port.name] = port
        if not self.node.nodes("inputPorts"):
            self.findings.error(
                self.node.place("inputPorts"), "has no input port", "name what it reads: a source or another product's port"
            )
        return tuple(found.values())

    def _functions(self) -> dict[str, Function]:
        path = self.folder / "transform.py"
        return signatures.read(path, self.root, self.findings) if path.exists() else {}

    def _models(self) -> dict[str, str]:
        folder = self.root / "dbt" / "models" / self.address.domain / self.address.port
        prefix = f"{self.address.domain}__"
        files = sorted(path for path in folder.glob(f"{prefix}*.sql") if path.is_file())
        return {path.stem.removeprefix(prefix): path.relative_to(self.root).as_posix() for path in files}

    def _check_way_through(self, functions: dict[str, Function], models: dict[str, str], *, asset: bool) -> None:
        declared = len(self.node.nodes("inputPorts")), len(self.node.nodes("outputPorts"))
        if asset:
            self._check_asset(functions, models, outputs=declared[1])
        elif functions and models:
            place = Place(file=next(iter(models.values())))
            self.findings.error(place, f"{self.address} has a transform.py and dbt models", "keep one of them")
        elif not functions and not models and declared != (1, 1) and not (self.folder / "transform.py").exists():
            hint = "write transform.py with a function per output port; rows go through as they are only from one input to one output"
            self.findings.error(self.node.place("outputPorts"), "nothing says how the output ports are computed", hint)

    def _check_asset(self, functions: dict[str, Function], models: dict[str, str], *, outputs: int) -> None:
        place = self.node.place("customProperties")
        if functions or models:
            self.findings.error(place, f"{self.address} is a hand-written asset and has code of its own", "leave `asset` out, or the code")
        if outputs != 1:
            self.findings.error(self.node.place("outputPorts"), "a hand-written asset has one output port", "make a product of each")
        if not (self.folder.parent / "extra.py").is_file():
            self.findings.error(
                place, f"{self.address} is a hand-written asset, but the domain has no extra.py", "write it beside domain.yaml"
            )

    def _check_strays(self, inputs: tuple[InputPort, ...], outputs: tuple[OutputPort, ...]) -> None:
        named = {n.text("name") for key in ("inputPorts", "outputPorts") for n in self.node.nodes(key)}
        for path in sorted(self.folder.glob("*.odcs.yaml")):
            port = path.name.removesuffix(".odcs.yaml")
            if port not in named:
                place = Place(file=path.relative_to(self.root).as_posix())
                self.findings.error(place, f"no port of {self.address} is called {port!r}", suggestion(port, named))


def _parameters(port: str, functions: dict[str, Function]) -> set[str]:
    return set(functions[port].parameters) if port in functions else set()
