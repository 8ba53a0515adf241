"""Many writers at once: every delivery is published exactly once, whoever takes it, and no one sees another's half."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.events import EVENTS, declare, deliver, losses
from tests.reliability.nursery import Ending, Job, Nursery
from tests.reliability.witness import Witness

WRITERS = [2, 4, pytest.param(8, marks=pytest.mark.slow)]


def published(endings: list[Ending]) -> int:
    assert [e.error for e in endings if e.error] == []
    return sum(e.results.count("published") for e in endings)


@pytest.mark.parametrize("writers", WRITERS)
def test_on_one_product(nursery: Nursery, tmp_path: Path, writers: int):
    """N processes run the same product at the same time: they wait for each other, and each file lands once."""
    folder = declare(tmp_path)
    files = set(range(writers + 2))
    for number in files:
        deliver(folder, number)
    endings = nursery.run(*[Job(root=str(tmp_path), products=(EVENTS,)) for _ in range(writers)])
    assert published(endings) == len(files)
    assert losses(tmp_path / ".mesh", files) == []
    assert Witness(tmp_path / ".mesh").problems() == []


@pytest.mark.parametrize("writers", WRITERS)
def test_on_a_product_each(nursery: Nursery, tmp_path: Path, writers: int):
    """N processes on N products of one mesh share the store and the catalog: none fails, none loses a file."""
    products = [f"ops.events{n}" for n in range(writers)]
    for product in products:
        folder = declare(tmp_path, product)
        for number in range(3):
            deliver(folder, number, product)
    endings = nursery.run(*[Job(root=str(tmp_path), products=(product,)) for product in products])
    assert published(endings) == 3 * writers
    for product in products:
        assert losses(tmp_path / ".mesh", {0, 1, 2}, product) == []
    assert Witness(tmp_path / ".mesh").problems() == []


def test_one_of_them_dies(nursery: Nursery, tmp_path: Path):
    """A writer that is killed while others wait for it: the next one cleans up after it and goes on."""
    folder = declare(tmp_path)
    for number in range(3):
        deliver(folder, number)
    job = Job(root=str(tmp_path), products=(EVENTS,))
    endings = nursery.run(
        Job(root=str(tmp_path), products=(EVENTS,), fault="k7:0"), job, Job(root=str(tmp_path), products=(EVENTS,), fault="k5:1")
    )
    assert [e.error for e in endings if e.error] == []
    nursery.run(job)
    assert losses(tmp_path / ".mesh", {0, 1, 2}) == []
    assert Witness(tmp_path / ".mesh").problems() == []
