"""What a process remembers of manifests that it wrote is what stands in them."""

from __future__ import annotations

import random
import uuid

import pytest
from pyiceberg.manifest import ManifestFile

from lakehouse.address import Address
from lakehouse.commit import load
from lakehouse.declare.product import Write
from lakehouse.mesh import Mesh
from lakehouse.testing import Property
from orchestration.story import Request, run_product
from tests.spine.tried import Tried

READINGS: dict[str, Property] = {"id": "integer", "part": "integer", "value": {"logicalType": "integer", "required": True}}


MANY = 20
"""More manifests than forty deliveries leave: each eight of about as many files become one."""


def listed(mesh: Mesh, port: Address, *, fresh: bool) -> dict[str, ManifestFile]:
    """A port's manifests, as remembered or as they stand in the list."""
    table = load(mesh.catalog, port)
    snapshot = table.current_snapshot() if table else None
    manifests = mesh.manifests.fresh() if fresh else mesh.manifests
    return {m.manifest_path: m for m in manifests.manifests(snapshot.manifest_list if snapshot else None)}


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
            remembered, written = listed(mesh, port, fresh=False), listed(mesh, port, fresh=True)
            assert {path: m._data for path, m in remembered.items()} == {path: m._data for path, m in written.items()}
            assert len(written) < MANY


def test_a_merged_manifest_says_when_each_file_came(here: Tried):
    """A file keeps the sequence number of the snapshot that added it, however often its manifest was merged."""
    here.product("lab.readings", columns=READINGS, key=["id"])
    port = Address("lab", "readings")
    came: dict[str, int | None] = {}
    with here.open() as mesh:
        for number in range(70):
            here.deliver(str(port), f"{number:02}.csv", [{"id": number, "part": 0, "value": number}])
            list(run_product(mesh, mesh.product(port), Request(run_id=str(uuid.uuid4()))))
            table = load(mesh.catalog, port)
            assert table is not None
            snapshot = table.current_snapshot()
            assert snapshot is not None
            entries = [e for m in snapshot.manifests(table.io) for e in m.fetch_manifest_entry(table.io)]
            now = {e.data_file.file_path: e.sequence_number for e in entries}
            assert came.items() <= now.items()
            assert set(now.values()) == set(range(1, number + 2))
            came = now
