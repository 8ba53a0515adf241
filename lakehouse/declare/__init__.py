"""YAML -> products and contracts, every problem at once.

`load(root)` reads all of a mesh's declarations and never raises for what a person wrote: problems are data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lakehouse.address import Address
from lakehouse.declare.product import Domain, OutputPort, Product
from lakehouse.errors import DeclarationError, Problem, WrongUse


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarations:
    """All that a mesh declares. Products with errors are left out of `products`, but their names stay in `broken`."""

    root: Path
    domains: Mapping[str, Domain]
    products: Mapping[Address, Product]
    problems: tuple[Problem, ...]
    broken: frozenset[Address] = frozenset()

    def raise_errors(self) -> None:
        """Raise DeclarationError with all problems when one of them is an error."""
        if any(p.severity == "error" for p in self.problems):
            raise DeclarationError(self.problems)

    def ports(self) -> Iterator[tuple[Product, OutputPort]]:
        for product in self.products.values():
            for port in product.outputs:
                yield product, port

    def producer(self, address: Address) -> Product:
        """The product that has the output port `address`, or WrongUse."""
        for product, port in self.ports():
            if port.address == address:
                return product
        raise WrongUse(f"no port {address} in this mesh", hint="mesh show lists the products")


def load(root: Path) -> Declarations:
    """Read `domains/*/domain.yaml`, `domains/*/*/product.odps.yaml`, their contracts and transforms' signatures."""
    from lakehouse.declare.mesh import read

    return read(root.resolve())
