"""Has something arrived? A sensor over the landing places of a domain, which asks for a run of the product concerned.

The cursor tells cheaply whether anything has moved; the store, whether a run has looked at it. Next: `build.py`.
"""

import hashlib
from collections.abc import Mapping, Sequence

import dagster as dg

from lakehouse.address import Address
from lakehouse.declare.product import InputPort, Product
from lakehouse.mesh import Mesh
from lakehouse.sources import Delivery, open_source
from orchestration.automation import LIVE
from orchestration.keys import Opened, keys_of

_LOOK_EVERY = 30
Arrived = Sequence[tuple[InputPort, Sequence[Delivery]]]


def arrivals(products: Sequence[Product], opened: Opened) -> dg.SensorDefinition | None:
    """Looks into the landing places of a domain and asks for a run of each product for which something new has arrived."""
    watched = [p for p in products if p.sources and p.status in LIVE]
    if not watched:
        return None

    @dg.sensor(
        name="arrivals",
        target=dg.AssetSelection.assets(*(key for product in watched for key in keys_of(product))),
        minimum_interval_seconds=_LOOK_EVERY,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Runs a product when a delivery arrives that it has not seen.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        with opened() as mesh:
            there = {p.address: _deliveries(mesh, p) for p in watched}
            seen = _digest(there)
            if seen == context.cursor:
                return dg.SkipReason("nothing has arrived")
            fresh = [p for p in watched if _unknown(mesh, p, there[p.address])]
        return dg.SensorResult(run_requests=[dg.RunRequest(asset_selection=keys_of(p)) for p in fresh], cursor=seen)

    return look


def _deliveries(mesh: Mesh, product: Product) -> Arrived:
    return [(port, open_source(port, mesh.settings.root).deliveries()) for port in product.sources]


def _digest(there: Mapping[Address, Arrived]) -> str:
    stamps = [f"{a}/{port.name}/{d.name}@{d.stamp}" for a, ports in there.items() for port, found in ports for d in found]
    return hashlib.sha256("\n".join(stamps).encode()).hexdigest()


def _unknown(mesh: Mesh, product: Product, ports: Arrived) -> bool:
    """Whether a delivery is there that no run has looked at."""
    for port, found in ports:
        known = {(a.name, a.stamp) for a in mesh.store.arrivals(product.address, port.name, names=[d.name for d in found])}
        if any((d.name, d.stamp) not in known for d in found):
            return True
    return False
