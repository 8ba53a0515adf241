"""Which products does a person mean? `domain.port`, `domain`, `+X` with what it reads, `X+` with what reads it.

Products come in dependency order: inputs and the targets of foreign keys first. Next: `runs.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from lakehouse.address import Address
from lakehouse.declare import Declarations
from lakehouse.declare.findings import suggestion
from lakehouse.declare.product import OutputPort, Product
from lakehouse.errors import DeclarationError, WrongUse


def products(declarations: Declarations, selection: Sequence[str] | None) -> list[Product]:
    """The selected products (none named: all) in dependency order; DeclarationError when one of them is broken."""
    if not selection:
        declarations.raise_errors()
        return in_order(declarations, declarations.products)
    chosen = addresses(declarations, selection)
    _refuse_broken(declarations, chosen & declarations.broken)
    return in_order(declarations, chosen)


def addresses(declarations: Declarations, selection: Sequence[str]) -> set[Address]:
    """The selected products, broken ones included; WrongUse for what is none."""
    reads = _inputs(declarations)
    chosen: set[Address] = set()
    for word in selection:
        named = _named(declarations, word.removeprefix("+").removesuffix("+"))
        chosen |= named
        # a foreign key's target is read by the gate, which blocks while it is not there
        chosen |= _closure(named, _predecessors(declarations)) if word.startswith("+") else set()
        chosen |= _closure(named, _reversed(reads)) if word.endswith("+") else set()
    return chosen


def folders(declarations: Declarations, selection: Sequence[str]) -> list[str]:
    """Where the selected products are declared, relative to the root."""
    return [folder for address in addresses(declarations, selection) for folder in _folders(address)]


def product(declarations: Declarations, address: str) -> Product:
    """The one product that has the port `address`."""
    found = products(declarations, [address]) if "." in address.strip("+") else []
    if len(found) != 1:
        raise WrongUse(f"{address!r} is not one product", hint="write domain.port, such as operations.flights")
    return found[0]


def port(declarations: Declarations, address: str) -> OutputPort:
    """The output port `address`."""
    return product(declarations, address).port(Address.parse(address))


def in_order(declarations: Declarations, chosen: Iterable[Address]) -> list[Product]:
    """Products so that each comes after those that it reads or refers to."""
    wanted = sorted(chosen)
    before = _predecessors(declarations)
    try:
        order = [*TopologicalSorter({a: before[a] & set(wanted) for a in wanted}).static_order()]
    except CycleError:
        order = wanted
    return [declarations.products[a] for a in order]


def _named(declarations: Declarations, word: str) -> set[Address]:
    everything = {*declarations.products, *declarations.broken}
    if word in declarations.domains or word in {a.domain for a in everything}:
        return {a for a in everything if a.domain == word}
    owners = {str(a): a for a in everything} | {str(port.address): product.address for product, port in declarations.ports()}
    if word in owners:
        return {owners[word]}
    raise WrongUse(f"{word!r} is no port or domain of this mesh", hint=suggestion(word, [*owners, *declarations.domains]))


def _refuse_broken(declarations: Declarations, broken: set[Address]) -> None:
    if broken:
        places = tuple(folder for address in broken for folder in _folders(address))
        raise DeclarationError([p for p in declarations.problems if f"{p.file}/".startswith(places)] or declarations.problems)


def _folders(address: Address) -> tuple[str, str]:
    return f"domains/{address.domain}/{address.port}/", f"dbt/models/{address.domain}/{address.port}/"


def _inputs(declarations: Declarations) -> dict[Address, set[Address]]:
    owners = {port.address: product.address for product, port in declarations.ports()}
    return {
        product.address: {owners[i.address] for i in product.inputs if i.address in owners} for product in declarations.products.values()
    }


def _predecessors(declarations: Declarations) -> dict[Address, set[Address]]:
    """What is to be run before each product: what it reads; the targets of its foreign keys, unless they read it."""
    owners = {port.address: product.address for product, port in declarations.ports()}
    reads = _inputs(declarations)
    found = {a: set(inputs) for a, inputs in reads.items()}
    for product, port in declarations.ports():
        targets = {owners[r.to] for r in port.contract.relationships if r.to in owners} - {product.address}
        found[product.address] |= {t for t in targets if product.address not in _closure({t}, found)}
    return found


def _closure(start: set[Address], step: Mapping[Address, set[Address]]) -> set[Address]:
    seen, waiting = set(start), list(start)
    while waiting:
        fresh = step.get(waiting.pop(), set()) - seen
        seen |= fresh
        waiting += fresh
    return seen


def _reversed(reads: Mapping[Address, set[Address]]) -> dict[Address, set[Address]]:
    return {a: {b for b, inputs in reads.items() if a in inputs} for a in reads}
