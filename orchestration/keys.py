"""How is a port called in Dagster? As everywhere: `[domain, port]`.

Next: `specs.py`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

import dagster as dg

from lakehouse.address import Address
from lakehouse.declare.product import Product
from lakehouse.mesh import Mesh

Opened = Callable[[], AbstractContextManager[Mesh]]
"""Gives the mesh for the time of a run or of a look."""


def key_of(address: Address) -> dg.AssetKey:
    return dg.AssetKey([address.domain, address.port])


def keys_of(product: Product) -> list[dg.AssetKey]:
    return [key_of(port.address) for port in product.outputs]


def address_of(key: dg.AssetKey) -> Address:
    """The port that an asset key names."""
    domain, port = key.path
    return Address(domain, port)
