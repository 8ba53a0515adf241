"""Products that read other products: pins, changes, siblings, and what force may not do."""

from __future__ import annotations

import pytest

from lakehouse.declare.product import Write
from lakehouse.testing import Port, Property
from tests.spine.tried import Tried

SALES: dict[str, Property] = {"id": "integer", "day": "date", "amount": {"logicalType": "number", "required": True}}


def sale(id: int, day: int, amount: float | None = 1) -> dict[str, object]:
    return {"id": id, "day": f"2026-01-{day:02}", "amount": amount}


@pytest.fixture
def sales(here: Tried) -> Tried:
    here.product(
        "shop.sales",
        columns=SALES,
        key=["id"],
        partitions={"day": "identity"},
        write="overwrite_partitions",
        source={"delivery": "{date}.csv"},
    )
    here.deliver("shop.sales", "2026-01-01.csv", [sale(1, 1), sale(2, 1)])
    here.deliver("shop.sales", "2026-01-02.csv", [sale(3, 2)])
    here.run("shop.sales")
    return here


TOTALS = """
    import duckdb

    def totals(sales: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return sales.aggregate("day, sum(amount) as amount, count(*) as sales", "day")
"""
TOTAL: dict[str, Property] = {"day": "date", "amount": "number", "sales": "integer"}


def totals(here: Tried) -> list[tuple[int, float]]:
    return [(r[0].day, r[1]) for r in here.rows("report.totals")]


def test_changed_partitions_are_computed_and_no_others(sales: Tried):
    """With `read: changes` and overwrite_partitions, a consumer takes whole partitions of what changed, and those only."""
    sales.product(
        "report.totals", columns=TOTAL, reads={"sales": "shop.sales"}, read="changes", transform=TOTALS,
        partitions={"day": "identity"}, write="overwrite_partitions",
    )  # fmt: skip
    assert sales.results("report.totals") == ["published"]
    assert totals(sales) == [(1, 2), (2, 1)]
    sales.deliver("shop.sales", "2026-01-02.csv", [sale(3, 2, 5), sale(4, 2, 5)])
    sales.run("shop.sales")
    (changed,) = sales.run("report.totals")
    assert changed.publication is not None
    assert changed.publication.ports[0].rows == 1
    assert totals(sales) == [(1, 2), (2, 10)]
    assert sales.results("report.totals") == ["unchanged"]


def test_everything_is_computed_anew_by_force(sales: Tried):
    """Force with overwrite_partitions takes all partitions again, and gives the same."""
    sales.product(
        "report.totals", columns=TOTAL, reads={"sales": "shop.sales"}, read="changes", transform=TOTALS,
        partitions={"day": "identity"}, write="overwrite_partitions",
    )  # fmt: skip
    sales.run("report.totals")
    assert sales.results("report.totals", force=True) == ["published"]
    assert totals(sales) == [(1, 2), (2, 1)]


@pytest.fixture
def log(here: Tried) -> Tried:
    """An append that takes what is added to another append."""
    here.product("shop.sales", columns=SALES, key=["id"])
    here.deliver("shop.sales", "1.csv", [sale(1, 1), sale(2, 1)])
    here.run("shop.sales")
    here.product("report.log", columns=SALES, reads={"sales": "shop.sales"}, read="changes")
    assert here.results("report.log") == ["published"]
    return here


def test_an_append_takes_what_was_added(log: Tried):
    """With `read: changes` and append, each added row arrives once."""
    log.deliver("shop.sales", "2.csv", [sale(3, 1)])
    log.deliver("shop.sales", "3.csv", [sale(4, 1)])
    log.run("shop.sales")
    assert log.results("report.log") == ["published"]
    assert [r[0] for r in log.rows("report.log")] == [1, 2, 3, 4]
    assert log.results("report.log") == ["unchanged"]


def test_force_never_appends_what_was_taken(log: Tried):
    """Forced, an append takes nothing twice."""
    log.run("report.log", force=True)
    assert [r[0] for r in log.rows("report.log")] == [1, 2]


def test_new_code_appends_nothing_again(log: Tried):
    """A changed contract or transform changes what comes next, not what is there."""
    log.product(
        "report.log", columns={**SALES, "note": "string"}, reads={"sales": "shop.sales"}, read="changes", version="1.1.0", transform=NOTED
    )
    log.run("report.log")
    assert [r[0] for r in log.rows("report.log")] == [1, 2]
    log.deliver("shop.sales", "2.csv", [sale(3, 1)])
    log.run("shop.sales")
    log.run("report.log")
    assert [(r[0], r[3]) for r in log.rows("report.log")] == [(1, None), (2, None), (3, "x")]


NOTED = """
    import duckdb

    def log(sales: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return sales.project("*, 'x' as note")
"""


def test_an_append_refuses_what_was_replaced_upstream(sales: Tried):
    """Rows that were replaced upstream cannot be taken back from an append: each run says so with the way out, nothing changed."""
    sales.product("report.log", columns=SALES, reads={"sales": "shop.sales"}, read="changes")
    sales.run("report.log")
    sales.deliver("shop.sales", "2026-01-01.csv", [sale(1, 1, 9)])
    sales.run("shop.sales")
    for _ in range(2):
        (refused,) = sales.run("report.log")
        assert refused.result == "blocked"
        assert "overwrite_partitions" in str(refused.error)
    assert [r[0] for r in sales.rows("report.log")] == [1, 2, 3]


def test_an_unpublished_input_fails_in_words(here: Tried):
    """A product whose input was never published says which, and publishes nothing."""
    here.product("shop.sales", columns=SALES)
    here.product("report.log", columns=SALES, reads={"sales": "shop.sales"}, write="overwrite")
    (failed,) = here.run("report.log")
    assert failed.result == "failed"
    assert "shop.sales" in str(failed.error)


def test_ports_of_a_product_are_published_together_or_not_at_all(here: Tried):
    """When a sibling's rule blocks, the main port does not move either."""
    here.product(
        "shop.sales",
        columns=SALES,
        siblings=[
            Port(name="sales_daily", columns={"day": "date", "sales": {"logicalType": "integer"}}, write="overwrite", quality=[AT_MOST_TWO])
        ],
        transform=WITH_DAILY,
    )
    here.deliver("shop.sales", "1.csv", [sale(1, 1), sale(2, 1)])
    here.deliver("shop.sales", "2.csv", [sale(3, 2), sale(4, 2), sale(5, 2)])
    assert here.results("shop.sales") == ["published", "blocked"]
    assert [r[0] for r in here.rows("shop.sales")] == [1, 2]
    assert [r[1] for r in here.rows("shop.sales_daily")] == [2]


AT_MOST_TWO = {"name": "few", "type": "sql", "query": "SELECT max(sales) FROM ${table}", "mustBeLessOrEqualTo": 2}
WITH_DAILY = """
    import duckdb

    def sales(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed

    def sales_daily(sales: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return sales.aggregate("day, count(*) as sales", "day")
"""


def test_a_sibling_reads_the_partitions_that_the_run_touched(here: Tried):
    """A sibling is computed from the staged state of whole partitions, older rows of the same day included."""
    here.product(
        "shop.sales",
        columns=SALES,
        partitions={"day": "identity"},
        siblings=[
            Port(
                name="sales_daily",
                columns={"day": "date", "sales": "integer"},
                partitions={"day": "identity"},
                write="overwrite_partitions",
            )
        ],
        transform=WITH_DAILY,
    )
    here.deliver("shop.sales", "1.csv", [sale(1, 1), sale(2, 2)])
    here.deliver("shop.sales", "2.csv", [sale(3, 2), sale(4, 3)])
    assert here.results("shop.sales") == ["published", "published"]
    assert [r[1] for r in here.rows("shop.sales_daily")] == [1, 2, 1]


@pytest.mark.parametrize(
    ("write", "partitions"),
    [
        ("append", {}),
        ("append", {"day": "identity"}),
        ("upsert", {}),
        ("upsert", {"day": "identity"}),
        ("overwrite", {}),
        ("overwrite", {"day": "identity"}),
        ("overwrite_partitions", {"day": "identity"}),
    ],
)
def test_a_sibling_reads_what_its_write_mode_takes(here: Tried, write: Write, partitions: dict[str, str]):
    """A sibling that copies its port row by row holds the same rows after every batch, however it is written."""
    copy = """
        import duckdb

        def sales(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            return landed

        def sales_copy(sales: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            return sales
    """
    sibling = Port(name="sales_copy", columns=SALES, key=["id"], partitions=partitions, write=write)
    here.product("shop.sales", columns=SALES, key=["id"], partitions=partitions, siblings=[sibling], transform=copy)
    for number, sales in enumerate([[sale(1, 1), sale(2, 2)], [sale(3, 2)], [sale(4, 3)]]):
        here.deliver("shop.sales", f"{number}.csv", sales)
        assert here.results("shop.sales") == ["published"]
        assert sorted(here.rows("shop.sales_copy")) == sorted(here.rows("shop.sales"))


def test_a_batch_that_nothing_could_judge_is_tried_again(here: Tried):
    """A foreign key into a port that is not there yet blocks; once it is there, the next run asks again without being forced."""
    sold: dict[str, Property] = {"id": "integer", "day": {"logicalType": "integer", "relationships": [{"to": "shop.days.day"}]}}
    here.product("shop.days", columns={"day": "integer"}, key=["day"])
    here.product("shop.sales", columns=sold, key=["id"])
    here.deliver("shop.sales", "1.csv", [{"id": 1, "day": 1}])
    assert here.results("shop.sales") == ["blocked"]
    here.deliver("shop.days", "1.csv", [{"day": 1}])
    here.run("shop.days")
    assert here.results("shop.sales") == ["published"]


def by_day(here: Tried, write: Write, filter: str = "true", **sibling: Property) -> None:
    """`shop.sales` by day and its copy, whose partitions are replaced."""
    code = f"""
        import duckdb

        def sales(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            return landed

        def sales_copy(sales: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            return sales.filter("{filter}")
    """
    copy = Port(name="sales_copy", columns={**SALES, **sibling}, partitions={"day": "identity"}, write="overwrite_partitions")
    here.product(
        "shop.sales",
        columns=SALES,
        key=["id"],
        partitions={"day": "identity"},
        write=write,
        siblings=[copy],
        transform=code,
        source={"delivery": "{date}.csv"},
    )


@pytest.mark.parametrize("write", ["upsert", "overwrite"])
def test_a_day_that_rows_have_left_is_left_by_the_sibling_too(here: Tried, write: Write):
    """The sibling is given the day, and makes no row of it: what it held of that day goes."""
    by_day(here, write)
    here.deliver("shop.sales", "1.csv", [sale(1, 1), sale(2, 2)])
    here.run("shop.sales")
    here.deliver("shop.sales", "1.csv", [sale(1, 2), sale(2, 2)])
    assert here.results("shop.sales") == ["published"]
    assert sorted(here.rows("shop.sales_copy")) == sorted(here.rows("shop.sales"))


def test_a_day_of_which_the_sibling_takes_nothing_any_more_is_empty_there(here: Tried):
    """Its own rule, or its function, lets no row of the day pass: the older rows of that day are not true any more."""
    few: Property = {"logicalType": "number", "logicalTypeOptions": {"maximum": 5}}
    for filter, sibling in (("amount < 5", {}), ("true", {"amount": few})):
        by_day(here, "overwrite_partitions", filter, **sibling)
        here.deliver("shop.sales", "1.csv", [sale(1, 1, 1)])
        here.run("shop.sales", force=True, first="1", last="1")
        assert [r[0] for r in here.rows("shop.sales_copy")] == [1]
        here.deliver("shop.sales", "1.csv", [sale(1, 1, 7)])
        here.run("shop.sales")
        assert here.rows("shop.sales_copy") == []


def test_what_the_sibling_set_aside_of_a_day_goes_with_the_day(here: Tried):
    """A row that its own rule refused has left the day since: it is no longer set aside there, nor is a row of another day touched."""
    by_day(here, "upsert", amount={"logicalType": "number", "logicalTypeOptions": {"maximum": 5}})
    here.deliver("shop.sales", "1.csv", [sale(1, 1, 7), sale(2, 3, 8)])
    here.run("shop.sales")
    assert sorted(str(r.partition) for r in here.quarantined("shop.sales_copy")) == ["2026-01-01", "2026-01-03"]
    here.deliver("shop.sales", "2.csv", [sale(1, 2, 1)])
    assert here.results("shop.sales") == ["published"]
    assert [str(r.partition) for r in here.quarantined("shop.sales_copy")] == ["2026-01-03"]
    assert [r[0] for r in here.rows("shop.sales_copy")] == [1]


def test_who_reads_two_siblings_is_given_the_same_partitions_of_both(here: Tried):
    """Only one of them got rows of that day: the other's older rows of it are handed over as well."""
    code = """
        import duckdb

        def sales(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            return landed

        def sales_big(sales: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            return sales.filter("amount > 10")

        def sales_all(sales: duckdb.DuckDBPyRelation, sales_big: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            return sales.union(sales_big)
    """
    day = {"day": "identity"}
    big = Port(name="sales_big", columns=SALES, partitions=day)
    both = Port(name="sales_all", columns=SALES, partitions=day, write="overwrite_partitions")
    here.product("shop.sales", columns=SALES, partitions=day, siblings=[big, both], transform=code)
    here.deliver("shop.sales", "1.csv", [sale(1, 1, 50)])
    here.deliver("shop.sales", "2.csv", [sale(2, 1, 1)])
    assert here.results("shop.sales") == ["published", "published"]
    assert [r[0] for r in here.rows("shop.sales_all")] == [1, 1, 2]
