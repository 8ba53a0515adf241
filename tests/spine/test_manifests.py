"""What a process remembers of manifests that it wrote is what stands in them."""

from __future__ import annotations

import random
import uuid

import pytest

from lakehouse.address import Address
from lakehouse.commit import load
from lakehouse.declare.product import Write
from lakehouse.mesh import Mesh
from lakehouse.testing import Property
from orchestration.story import Request, run_product
from tests.spine.tried import Tried

READINGS: dict[str, Property] = {"id": "integer", "part": "integer", "value": {"logicalType": "integer", "required": True}}


def files(mesh: Mesh, port: Address, *, fresh: bool) -> set[tuple[str, int]]:
    table = load(mesh.catalog, port)
    snapshot = table.current_snapshot() if table else None
    manifests = mesh.manifests.fresh() if fresh else mesh.manifests
    return {(f.file_path, f.record_count) for f in manifests.files(snapshot.manifest_list if snapshot else None)}


@pytest.mark.parametrize("write", ["append", "overwrite", "overwrite_partitions", "upsert"])
def test_what_is_remembered_is_what_was_written(here: Tried, write: Write):
    """Forty deliveries in one process: manifests are merged, rewritten and emptied; another reader sees the same files."""
    here.product("lab.readings", columns=READINGS, key=["id"], partitions={"part": "identity"}, write=write)
    chance = random.Random(7)
    port = Address("lab", "readings")
    with here.open() as mesh:
        for number in range(40):
            ids = range(10 * number, 10 * number + 3) if write == "append" else chance.sample(range(30), 3)
            name = f"{number:02}.csv" if write != "overwrite" else "all.csv"
            here.deliver(str(port), name, [{"id": i, "part": i % 5, "value": None if i % 13 == 0 else number} for i in ids])
            list(run_product(mesh, mesh.product(port), Request(run_id=str(uuid.uuid4()))))
            assert files(mesh, port, fresh=False) == files(mesh, port, fresh=True)
            assert files(mesh, port.quarantine, fresh=False) == files(mesh, port.quarantine, fresh=True)
