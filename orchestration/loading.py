"""Which way a product's rows are made: its SQL models, its functions, or as they come.

Next: `transforms.py` and `dbt.py`.
"""

from __future__ import annotations

from lakehouse.declare.product import Product
from lakehouse.errors import WrongUse
from lakehouse.mesh import Mesh
from orchestration.transforms import PassThrough, Transform, load_python


def load_transform(mesh: Mesh, product: Product) -> Transform:
    """The transform of a product; TransformFailed when its code cannot be loaded."""
    if product.models:
        from orchestration.dbt import DbtTransform

        return DbtTransform.load(mesh, product)
    if product.asset:
        raise WrongUse(f"{product.address} is made by a hand-written asset, outside of a run", hint=f"mesh run {product.address}")
    if product.functions:
        return load_python(product)
    return PassThrough(input_port=product.inputs[0].name)
