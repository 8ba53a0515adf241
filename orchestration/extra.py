"""What a domain wrote by hand in `extra.py`: its assets keep their own code and get the contract's description, checks and gate.

An asset's key is the port it makes; `io_manager_key="mesh"` sends what it returns through the gate. Next: `io_manager.py`.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import dagster as dg

from lakehouse.declare import Declarations
from lakehouse.declare.product import Product
from lakehouse.errors import DeclarationError, Problem
from lakehouse.publish import report_from_json
from orchestration.assets import Heard
from orchestration.events import check_results
from orchestration.io_manager import gated
from orchestration.keys import Opened, key_of
from orchestration.specs import EXTRA, SpecWriter

RESOURCE = "mesh"


def hand_written(declarations: Declarations, domain: str, opened: Opened, heard: Heard | None = None) -> dg.Definitions:
    """The definitions of a domain's `extra.py`; DeclarationError when a product's asset is not among them."""
    file = declarations.root / "domains" / domain / EXTRA
    if not file.is_file():
        return dg.Definitions()
    products = [p for a, p in declarations.products.items() if a.domain == domain and p.asset]
    module = _module(file)
    write = SpecWriter(declarations)
    written = [a for a in dg.load_assets_from_modules([module]) if isinstance(a, dg.AssetsDefinition)]
    assets = [a.map_asset_specs(lambda spec: _described(spec, products, write)) for a in written]
    _raise_missing(products, assets, file.relative_to(declarations.root))
    ours = dg.Definitions(
        assets=assets,
        asset_checks=[_checks(product, write, opened) for product in products],
        resources={RESOURCE: gated(opened, domain, products, heard)},
    )
    return dg.Definitions.merge(ours, _besides(module))


def _besides(module: ModuleType) -> dg.Definitions:
    """What else the file defines, as it is."""
    found = [*vars(module).values()]
    return dg.Definitions(
        asset_checks=dg.load_asset_checks_from_modules([module]),
        jobs=[f for f in found if isinstance(f, dg.JobDefinition)],
        schedules=[f for f in found if isinstance(f, dg.ScheduleDefinition)],
        sensors=[f for f in found if isinstance(f, dg.SensorDefinition)],
    )


def _described(spec: dg.AssetSpec, products: Sequence[Product], write: SpecWriter) -> dg.AssetSpec:
    """The asset's spec with what is declared of its port; what it depends on is its own code's to say."""
    declared = next((s for product in products for s in write.ports(product) if s.key == spec.key), None)
    if declared is None:
        return spec
    return spec.replace_attributes(
        description=declared.description,
        group_name=declared.group_name,
        owners=declared.owners,
        kinds=declared.kinds,
        tags=declared.tags,
        code_version=spec.code_version or declared.code_version,
        automation_condition=declared.automation_condition,
        freshness_policy=declared.freshness_policy,
    ).merge_attributes(metadata=declared.metadata)


def _checks(product: Product, write: SpecWriter, opened: Opened) -> dg.AssetChecksDefinition:
    """The contract's rules as checks that read the gate's report of what is current: the gate has already judged."""

    @dg.multi_asset_check(name=f"{product.address.domain}__{product.address.port}__gate", specs=write.checks(product), can_subset=True)
    def gate(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        with opened() as mesh:
            current = mesh.store.current(product.address)
            body = mesh.store.report(product.address, publication=current.id) if current else None
        if body is not None:
            yield from check_results([report_from_json(body)], [*context.selected_asset_check_keys])

    return gate


def _raise_missing(products: Sequence[Product], assets: Sequence[dg.AssetsDefinition], file: Path) -> None:
    made = {key for asset in assets for key in asset.keys}
    missing = [p for p in products if key_of(p.address) not in made]
    if missing:
        raise DeclarationError(
            Problem(
                file=str(p.place.file),
                message=f"{p.address} is a hand-written asset, but {file} has none with its key",
                hint=f'@dg.asset(key=["{p.address.domain}", "{p.address.port}"], io_manager_key="{RESOURCE}")',
            )
            for p in missing
        )


def _module(file: Path) -> ModuleType:
    """Import by path, under a name that no other domain's file has."""
    spec = importlib.util.spec_from_file_location(f"_extra_{file.parent.name}", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
