"""`verify` finds what is wrong: each kind of damage, done by hand, is named with its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from lakehouse.address import Address
from lakehouse.pins import this_process
from lakehouse.store import Holder, Lease
from lakehouse.testing import Property
from lakehouse.verify import verify
from tests.spine.tried import Tried

COLUMNS: dict[str, Property] = {"id": "integer", "amount": {"logicalType": "number", "required": True}}


@pytest.fixture
def orders(tmp_path: Path) -> Tried:
    tried = Tried(tmp_path)
    tried.product("shop.orders", columns=COLUMNS)
    tried.deliver("shop.orders", "1.csv", [{"id": 1, "amount": 1}, {"id": 2, "amount": None}])
    tried.run("shop.orders")
    assert tried.verified() == []
    return tried


def one(here: Tried, pattern: str) -> Path:
    return next((here.root / ".mesh/warehouse/shop/orders").rglob(pattern))


def sql(here: Tried, statement: str) -> None:
    with here.open() as mesh, mesh.store.writing() as con:
        con.execute(text(statement))


def truncate(here: Tried) -> None:
    path = one(here, "*.parquet")
    path.write_bytes(path.read_bytes()[:-1])


def scribble(here: Tried) -> None:
    path = one(here, "*.parquet")
    path.write_bytes(b"x" * path.stat().st_size)


def unpublish(here: Tried) -> None:
    sql(here, "delete from port_states")
    sql(here, "delete from publications")


DAMAGE: dict[str, tuple[Callable[[Tried], object], str]] = {
    "a data file is gone": (lambda h: one(h, "*.parquet").unlink(), "damaged: the data file is missing"),
    "a data file is cut": (truncate, "damaged: the data file has"),
    "a data file is overwritten": (scribble, "damaged: the data file cannot be read"),
    "a manifest is gone": (lambda h: one(h, "*-m0.avro").unlink(), "damaged: "),
    "a manifest list is gone": (lambda h: one(h, "snap-*.avro").unlink(), "damaged: "),
    "a manifest is empty": (lambda h: one(h, "*-m0.avro").write_bytes(b""), "damaged: "),
    "table metadata is gone": (lambda h: one(h, "*.metadata.json").unlink(), "damaged: "),
    "a stray file": (lambda h: (one(h, "*.parquet").parent / "stray.parquet").write_bytes(b""), "unreferenced: "),
    "rows counted wrong": (lambda h: sql(h, "update port_states set total_rows = 7"), "disagreement: the files hold 1 rows"),
    "the catalog moved on": (lambda h: sql(h, "update port_states set metadata_location = 'x'"), "disagreement: the catalog points at"),
    "a batch lost rows": (lambda h: sql(h, "update batches set published = 0"), "accounts: 2 rows were delivered, 1 are accounted for"),
    "quarantine counted wrong": (lambda h: sql(h, "update batches set quarantined = 0"), "accounts: 0 rows were set aside"),
    "no gate report": (lambda h: sql(h, "delete from reports"), "unjudged: the publication has no gate report"),
    "a blocked report": (lambda h: sql(h, """update reports set body = replace(body, '"kind":"row"', '"kind":"gate"')"""), "unjudged: "),
    "never published": (unpublish, "unjudged: the table is visible"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_and_named(orders: Tried, damage: str):
    """Whatever somebody did to files or records is told, as that and with its place."""
    do, told = DAMAGE[damage]
    do(orders)
    assert any(told in found for found in orders.verified()), orders.verified()


def test_what_was_read_before_the_damage_is_read_again(orders: Tried):
    """A resident process remembers metadata that it has read; verify does not."""
    with orders.open() as mesh:
        assert verify(mesh, mesh.declarations.products.values()) == ()
        for path in (orders.root / ".mesh/warehouse/shop/orders/metadata").glob("*.metadata.json"):
            path.write_text("{}", encoding="utf-8")
        assert {f.kind for f in verify(mesh, mesh.declarations.products.values())} == {"damaged"}


def test_a_dead_run_is_told_until_the_next_one(orders: Tried):
    """The lease of a process that is gone is a finding; the next run ends it."""
    gone = Holder(host=this_process().host, pid=this_process().pid, started=0.0)
    with orders.open() as mesh, mesh.store.writing() as con:
        lease = Lease(id="1", kind="product", subject="shop.orders", run_id="r", holder=gone, expires=mesh.now())
        mesh.store.put_lease(con, lease)
    assert [f for f in orders.verified() if "lease" in f]
    orders.run("shop.orders")
    assert orders.verified() == []


def test_every_finding_has_a_place_and_a_way_out(orders: Tried):
    """A person is told where to look and what to do."""
    from lakehouse.verify import verify

    truncate(orders)
    with orders.open() as mesh:
        (finding,) = verify(mesh, [mesh.product(Address("shop", "orders"))])
    assert finding.place.endswith(".parquet")
    assert "mesh " in finding.hint
