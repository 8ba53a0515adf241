"""A small shop as people make one: `mesh init`, `mesh new`, files that arrive; and the command, called in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lakemesh.cli import invoke

MONDAY = "Order ID,amount,ordered_at,Note\n1,1.50,2024-01-01T10:00:00Z,\n2,2.25,2024-01-01T11:00:00Z,gift\n"
TUESDAY = "Order ID,amount,ordered_at,Note\n3,4.00,2024-01-02T10:00:00Z,\n4,many,2024-01-02T11:00:00Z,\n"
TWICE = "Order ID,amount,ordered_at,Note\n1,9.00,2024-01-03T10:00:00Z,\n"


@dataclass(frozen=True, slots=True)
class Said:
    """How a call ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        return dict(self.json["error"])


class Shop:
    """A mesh in a folder, and the command that works on it."""

    def __init__(self, root: Path, read: Callable[[], tuple[str, str]]) -> None:
        self.root, self._read = root, read
        self.landing = root / "landing"

    def mesh(self, *words: str) -> Said:
        self._read()
        code = invoke(["--root", str(self.root), *words])
        out, err = self._read()
        return Said(code, out, err)

    def json(self, *words: str) -> Said:
        return self.mesh("--json", *words)

    def arrive(self, name: str, text: str) -> Path:
        self.landing.mkdir(exist_ok=True)
        path = self.landing / name
        path.write_text(text)
        return path

    def orders(self, *options: str) -> Said:
        """The product `sales.orders`, from what has arrived."""
        return self.mesh("new", "product", "sales.orders", "--from", str(self.landing / "*.csv"), "--key", "order_id", *options)

    @property
    def contract(self) -> Path:
        return self.root / "domains" / "sales" / "orders" / "orders.odcs.yaml"

    def state(self) -> dict[str, bytes]:
        """Every file of the mesh but the store's own, which opening makes."""
        ours = (p for p in self.root.rglob("*") if p.is_file() and not p.name.startswith("mesh.db") and p.suffix != ".lock")
        return {p.relative_to(self.root).as_posix(): p.read_bytes() for p in ours}


@pytest.fixture
def empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shop:
    """A new mesh with the domain `sales`, and no product."""

    def read() -> tuple[str, str]:
        found = capsys.readouterr()
        return found.out, found.err

    shop = Shop(tmp_path / "shop", read)
    assert invoke(["init", str(shop.root)]) == 0
    (shop.root / "mesh.toml").write_text('[mesh]\nname = "shop"\n[checks]\nrunner = "sql"\n')
    assert shop.mesh("new", "domain", "sales").code == 0
    return shop


@pytest.fixture
def declared(empty: Shop) -> Shop:
    """The shop with `sales.orders`, not run yet."""
    empty.arrive("monday.csv", MONDAY)
    assert empty.orders().code == 0
    return empty


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `declared`, made once for the tests that change nothing."""
    root = tmp_path_factory.mktemp("kept") / "shop"
    landing = root / "landing" / "monday.csv"
    assert invoke(["init", str(root)]) == 0
    (root / "mesh.toml").write_text('[mesh]\nname = "shop"\n[checks]\nrunner = "sql"\n')
    landing.parent.mkdir()
    landing.write_text(MONDAY)
    assert invoke(["--root", str(root), "new", "domain", "sales"]) == 0
    assert invoke(["--root", str(root), "new", "product", "sales.orders", "--from", f"{landing.parent}/*.csv", "--key", "order_id"]) == 0
    return root


@pytest.fixture
def untouched(kept: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    """A declared shop that must be left as it is."""

    def read() -> tuple[str, str]:
        found = capsys.readouterr()
        return found.out, found.err

    shop = Shop(kept, read)
    before = shop.state()
    yield shop
    assert shop.state() == before


@pytest.fixture
def shop(declared: Shop) -> Shop:
    """The shop with Monday's orders published."""
    assert declared.mesh("run").code == 0
    return declared
