"""A domain's folder -> its Dagster code location: one multi-asset per product, and what starts them.

A mistake in one domain's declarations keeps only that domain's location from loading. Next: `assets.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from lakehouse.address import Address
from lakehouse.declare import Declarations
from lakehouse.declare.product import Product
from lakehouse.declared import load
from lakehouse.errors import DeclarationError, Problem, WrongUse
from lakehouse.mesh import Mesh
from lakehouse.outbox import Courier
from lakehouse.settings import Settings
from orchestration import automation
from orchestration.arrivals import arrivals
from orchestration.assets import Heard, product_asset
from orchestration.extra import hand_written
from orchestration.keys import Opened
from orchestration.specs import SpecWriter
from orchestration.upkeep import upkeep


def build_definitions(file: str) -> dg.Definitions:
    """The code location of the domain whose `definitions.py` this is; DeclarationError with all of that domain's problems."""
    folder = Path(file).resolve().parent
    settings = Settings.find(_root_above(folder))
    declarations = load(settings.root)
    raise_errors_of(declarations, folder.name)
    return domain_definitions(declarations, settings, folder.name, lambda: Mesh.open(settings, declarations))


def domain_definitions(
    declarations: Declarations, settings: Settings, domain: str, opened: Opened, heard: Heard | None = None
) -> dg.Definitions:
    """What Dagster is to know of a domain: its products, and the ports of others that they read as stubs."""
    products = [p for a, p in declarations.products.items() if a.domain == domain]
    write = SpecWriter(declarations, settings)
    working = opened if heard else _telling(opened)
    assets = [product_asset(product, write, working, heard) for product in products if not product.asset]
    looking = arrivals(products, opened)
    context = declarations.domains[domain]
    ours = dg.Definitions(
        assets=[*assets, *_stubs(declarations, products, write)],
        executor=dg.in_process_executor,
        schedules=[*automation.schedules(context, products), upkeep(context, products, working)],
        sensors=[automation.following(), *([looking] if looking else [])],
    )
    return dg.Definitions.merge(ours, hand_written(declarations, domain, working, heard))


def _telling(opened: Opened) -> Opened:
    """The mesh for a run that Dagster started: what was said of it leaves the outbox beside it, as beside `mesh run`."""

    @contextmanager
    def working() -> Iterator[Mesh]:
        with opened() as mesh, Courier(mesh):
            yield mesh

    return working


def raise_errors_of(declarations: Declarations, domain: str) -> None:
    """Raise what is wrong in one domain; the problems of others are theirs."""
    problems = problems_of(declarations, domain)
    if any(p.severity == "error" for p in problems):
        raise DeclarationError(problems)


def problems_of(declarations: Declarations, domain: str) -> tuple[Problem, ...]:
    folders = (f"domains/{domain}/", f"dbt/models/{domain}/")
    return tuple(p for p in declarations.problems if f"{p.file}/".startswith(folders))


def _stubs(declarations: Declarations, products: Sequence[Product], write: SpecWriter) -> list[dg.AssetSpec]:
    """The ports of other domains that are read here; the UI joins each with the asset of the domain that makes it."""
    made = {port.address for product in products for port in product.outputs}
    read = {i.address for product in products for i in product.inputs if i.address and i.address not in made}
    return [write.stub(address) for address in sorted(read) if _known(declarations, address)]


def _known(declarations: Declarations, address: Address) -> bool:
    return any(port.address == address for _, port in declarations.ports())


def _root_above(folder: Path) -> Path:
    for above in folder.parents:
        if (above / "mesh.toml").is_file():
            return above
    raise WrongUse(f"{folder} is in no mesh: there is no mesh.toml above it", hint="mesh init DIR makes a new mesh")
