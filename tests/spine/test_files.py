"""A batch and its files: what is the same file, which batch has it, and what comes back by name."""

from __future__ import annotations

import os
import uuid
from typing import Any

import pytest

from lakehouse.address import Address
from lakehouse.errors import PublishConflict
from lakehouse.rollback import plan_rollback, rollback
from lakehouse.testing import Property
from tests.spine.test_back import replayed
from tests.spine.tried import Tried

ORDERS = Address("shop", "orders")
COLUMNS: dict[str, Property] = {"id": "integer", "amount": "integer"}
FEW = [{"type": "library", "metric": "rowCount", "mustBeLessThan": 3}]
MANY = [{"type": "library", "metric": "rowCount", "mustBeLessThan": 30}]


def declare(here: Tried, **how: Any) -> None:
    here.product("shop.orders", **{"columns": COLUMNS, "quality": FEW, **how})


def rows(*ids: int, amount: object = 1) -> list[dict[str, object]]:
    return [{"id": id, "amount": amount} for id in ids]


def touch(here: Tried, name: str) -> None:
    """Give a file another time, as a copy of it would have."""
    os.utime(here.landing("shop.orders") / name, (1_000_000_000, 1_000_000_000))


def ids(here: Tried) -> list[int]:
    return [r[0] for r in here.rows("shop.orders")]


def gone_back(here: Tried, to: str | None = None) -> None:
    with here.open() as mesh:
        rollback(mesh, plan_rollback(mesh, mesh.product(ORDERS), to), str(uuid.uuid4()))


@pytest.mark.parametrize("batch", ["single", "all"])
def test_a_file_that_was_only_touched_is_the_same(here: Tried, batch: str):
    """Identity is content: its rejected batch holds strict ones back still, and is tried again whole once the contract is mended."""
    source = {"batch": "all"} if batch == "all" else {"order": "strict"}
    declare(here, source=source)
    here.deliver("shop.orders", "1.csv", rows(1, 2, 3))
    if batch == "all":
        here.deliver("shop.orders", "2.csv", rows(4))
    assert here.results("shop.orders") == ["blocked"]
    touch(here, "1.csv")
    if batch != "all":
        here.deliver("shop.orders", "2.csv", rows(4))
    assert here.results("shop.orders") == []
    declare(here, source=source, quality=MANY, version="1.1.0")
    assert set(here.results("shop.orders")) == {"published"}
    assert ids(here) == [1, 2, 3, 4]


def test_an_overwrite_is_taken_whole_whatever_partition_is_named(here: Tried):
    """Naming a partition says what has to lie there, not what is left of the rest."""
    declare(here, write="overwrite", quality=(), source={"delivery": "{day}.csv"})
    here.deliver("shop.orders", "a.csv", rows(1))
    here.deliver("shop.orders", "b.csv", rows(2))
    here.run("shop.orders")
    here.deliver("shop.orders", "b.csv", rows(22))
    assert here.results("shop.orders", first="c", last="c") == []
    assert here.results("shop.orders", first="b", last="b") == ["published"]
    assert ids(here) == [1, 22]


def test_a_batch_of_an_overwrite_returns_with_all_of_its_files(here: Tried):
    """Files that later batches had too are its own still."""
    declare(here, write="overwrite", quality=())
    here.deliver("shop.orders", "a.csv", rows(1))
    here.run("shop.orders")
    here.deliver("shop.orders", "b.csv", rows(2))
    (both,) = here.run("shop.orders")
    here.deliver("shop.orders", "b.csv", rows(22))
    here.run("shop.orders")
    with here.open() as mesh:
        first = mesh.store.publications(ORDERS)[-1].id
    gone_back(here, first)
    here.deliver("shop.orders", "b.csv", rows(2))
    assert here.results("shop.orders", batch=both.batch.id) == ["published"]
    assert ids(here) == [1, 2]


def test_a_rejected_batch_takes_no_file_from_the_published_one(here: Tried):
    """What is shown keeps its file: rows that it set aside are read again under its header."""
    declare(here, write="overwrite", quality=MANY)
    here.deliver("shop.orders", "a.csv", [*rows(1, 2), *rows(3, amount="many")])
    assert here.results("shop.orders") == ["published"]
    here.deliver("shop.orders", "b.csv", rows(*range(10, 50)))
    assert here.results("shop.orders") == ["blocked"]
    declare(here, write="overwrite", quality=MANY, landed={"id": "integer", "amount": "string"}, transform=IDS)
    assert replayed(here) == ["published"]


IDS = """
    import duckdb

    def orders(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed.project("id, 0::bigint as amount")
"""


def test_an_overwrite_is_published_when_its_bad_file_is_taken_away(here: Tried):
    """The good file was never shown: what lies there now is due. A file that has gone from what is shown is no reason."""
    declare(here, write="overwrite")
    here.deliver("shop.orders", "a.csv", rows(1))
    bad = here.deliver("shop.orders", "b.csv", rows(2, 3, 4))
    assert here.results("shop.orders") == ["blocked"]
    bad.unlink()
    assert here.results("shop.orders") == ["published"]
    assert ids(here) == [1]
    more = here.deliver("shop.orders", "c.csv", rows(5))
    assert here.results("shop.orders") == ["published"]
    more.unlink()
    assert here.results("shop.orders") == []


def test_equal_content_under_two_names_counts_once(here: Tried):
    """Whichever of them came first, and whatever arrives after."""
    declare(here, write="overwrite", quality=())
    for name in ("a.csv", "b.csv"):
        here.deliver("shop.orders", name, rows(1))
    here.run("shop.orders")
    assert ids(here) == [1]
    here.deliver("shop.orders", "c.csv", rows(3))
    here.run("shop.orders")
    assert ids(here) == [1, 3]


def test_a_batch_of_several_partitions_is_named_by_any_of_them(here: Tried):
    """With `batch: all` a forced partition takes the batch that brought it."""
    how = {"write": "overwrite_partitions", "partitions": {"id": "identity"}, "source": {"batch": "all", "delivery": "{id}.csv"}}
    declare(here, **how)
    for id in (1, 2):
        here.deliver("shop.orders", f"{id}.csv", rows(id))
    here.run("shop.orders")
    assert here.results("shop.orders", first="1", last="1", force=True) == ["published"]
    assert here.results("shop.orders", first="3", last="3", force=True) == []


def test_rows_are_not_read_under_another_header(here: Tried):
    """The file was corrected in place since, with its columns the other way round: the replay is refused, nothing is mixed up."""
    declare(here, quality=())
    here.deliver("shop.orders", "1.csv", "id,amount\n1,1\n2,many\n")
    here.run("shop.orders")
    here.deliver("shop.orders", "1.csv", "amount,id\n1,1\n")
    assert replayed(here) == ["blocked"]
    assert ids(here) == [1]
    here.deliver("shop.orders", "1.csv", "id,amount\n1,1\n2,many\n")
    declare(here, quality=(), landed={"id": "integer", "amount": "string"}, transform=IDS)
    assert replayed(here) == ["published"]
    assert ids(here) == [1, 2]


def test_lines_that_are_skipped_are_not_rows_of_a_replay(here: Tried):
    """A file without a header, whose first line is skipped: the first row that comes back is not."""
    source = {"source": {"files": {"path": "landing/shop.orders", "format": "csv", "dialect": {"header": False, "skip": 1}}}}
    declare(here, quality=(), source=source)
    here.deliver("shop.orders", "1.csv", "a comment\n1,1\n2,many\n3,some\n")
    here.run("shop.orders")
    declare(here, quality=(), source=source, landed={"id": "integer", "amount": "string"}, transform=IDS)
    assert replayed(here) == ["published"]
    assert ids(here) == [1, 2, 3]


def test_a_rollback_withdraws_what_it_listed_and_nothing_else(here: Tried):
    """Somebody published while the person was asked: the rollback is refused, and nothing has changed."""
    declare(here, quality=())
    for number in (1, 2):
        here.deliver("shop.orders", f"{number}.csv", rows(number))
        here.run("shop.orders")
    with here.open() as mesh:
        plan = plan_rollback(mesh, mesh.product(ORDERS))
        here.deliver("shop.orders", "3.csv", rows(3))
        here.run("shop.orders")
        with pytest.raises(PublishConflict, match="published again since"):
            rollback(mesh, plan, str(uuid.uuid4()))
    assert ids(here) == [1, 2, 3]
