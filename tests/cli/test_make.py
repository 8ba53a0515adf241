"""`mesh init`, `mesh new`: what is made is valid at once, and never made over something."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lakemesh.cli import invoke
from tests.cli.conftest import MONDAY, Shop


def test_a_new_mesh_has_nothing_wrong(empty: Shop):
    """What init and new domain write passes check, and each domain is a code location."""
    assert empty.json("check").json == {"problems": []}
    (location,) = yaml.safe_load((empty.root / "workspace.yaml").read_text())["load_from"]
    assert location == {"python_file": {"relative_path": "domains/sales/definitions.py", "location_name": "sales"}}
    assert (empty.root / ".mesh" / "schemas" / "contract.schema.json").is_file()


def test_domains_are_added_one_after_the_other(empty: Shop):
    """A second domain leaves the first one's line as it is."""
    assert empty.mesh("new", "domain", "stock").code == 0
    names = [entry["python_file"]["location_name"] for entry in yaml.safe_load((empty.root / "workspace.yaml").read_text())["load_from"]]
    assert names == ["sales", "stock"]


def test_init_writes_over_nothing(empty: Shop):
    """A second init is refused, and changes no file."""
    before = empty.state()
    said = empty.mesh("init", str(empty.root))
    assert said.code == 2
    assert "is there already" in said.err
    assert empty.state() == before


@pytest.mark.integration
def test_a_product_runs_as_it_was_made(declared: Shop):
    """The inferred declaration is valid, says what it was inferred from, and publishes every row."""
    assert declared.json("check").json == {"problems": []}
    assert "# all values are whole numbers" in declared.contract.read_text()
    (run,) = declared.json("run").json["runs"]
    assert (run["outcome"], run["rows"], run["quarantined"]) == ("published", 2, 0)


@pytest.mark.integration
@pytest.mark.parametrize("template", ["duckdb", "polars", "pandas", "pyarrow"])
def test_a_template_gives_a_transform_that_runs(empty: Shop, template: str):
    """Each template's transform.py gives the rows through."""
    empty.arrive("monday.csv", MONDAY)
    assert empty.orders("--template", template).code == 0
    assert empty.json("run").json["runs"][0]["rows"] == 2


def test_one_file_is_replaced_and_a_glob_goes_on(empty: Shop):
    """A file becomes an overwrite port, a glob an append port; --write says otherwise."""
    file = empty.arrive("monday.csv", MONDAY)
    assert empty.orders().code == 0
    assert empty.mesh("new", "product", "sales.latest", "--from", str(file)).code == 0
    assert empty.mesh("new", "product", "sales.known", "--from", str(file), "--write", "upsert", "--key", "order_id").code == 0
    modes = {address: empty.json("show", address).json["write"] for address in ("sales.orders", "sales.latest", "sales.known")}
    assert modes == {"sales.orders": "append", "sales.latest": "overwrite", "sales.known": "upsert"}


NESTED = """\
{"id": 1, "tags": ["a"], "size": {"x": 1.5, "unit": "m", "seen": "2024-01-01T00:00:00"}, "at": "2024-01-01T00:00:00", "group": 1.5}
{"id": 2, "tags": [], "size": null, "at": "2024-01-01T00:00:01", "group": 2}
"""


@pytest.mark.integration
def test_what_is_inferred_is_valid_whatever_the_files_hold(empty: Shop):
    """Nested values, wall-clock times and reserved words become columns that check and run; the key may be several columns."""
    file = empty.root / "nested.jsonl"
    file.write_text(NESTED)
    made = empty.mesh("new", "product", "sales.nested", "--from", str(file), "--key", "id,at_local")
    assert made.code == 0
    assert "unique in these files: id, at_local" in made.out
    assert empty.json("check").json == {"problems": []}
    assert empty.json("run").json["runs"][0]["rows"] == 2
    rows = empty.json("read", "sales.nested").json
    assert rows[0] == {
        "id": 1,
        "tags": ["a"],
        "size": {"x": 1.5, "unit": "m", "seen": "2024-01-01T00:00:00"},
        "at_local": "2024-01-01T00:00:00",
        "group_": 1.5,
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sales.orders", "--from", "nothing.csv"], "no CSV"),
        (["sales.orders", "--from", "{file}", "--key", "oder_id"], "did you mean 'order_id'"),
        (["sales.orders", "--from", "{file}", "--key", "note"], "cannot be a key"),
        (["sales.orders", "--from", "{file}", "--write", "upsert"], "needs a key"),
        (["nowhere.orders", "--from", "{file}"], "mesh new domain nowhere"),
        (["orders", "--from", "{file}"], "domain.port"),
        (["sales.select", "--from", "{file}"], "reserved word"),
        (["sales.orders", "--from", "{picture}"], "hint:"),
        (["sales.orders", "--from", "{file}", "--write", "merge"], "merge"),
    ],
)
def test_a_product_that_cannot_be_made(empty: Shop, words: list[str], said: str):
    """Wrong use is exit 2 with the way out, and no file is written."""
    file = empty.arrive("monday.csv", MONDAY)
    picture = empty.root / "picture.png"
    picture.write_bytes(b"\x89PNG\x00")
    before = empty.state()
    found = empty.mesh("new", "product", *(w.format(file=file, picture=picture) for w in words))
    assert found.code == 2
    assert said in found.err
    assert empty.state() == before


def test_the_key_of_an_upsert_may_come_again(empty: Shop):
    """That is what an upsert is for: only within a delivery is it unique, which the gate sees to."""
    for day in ("monday", "tuesday"):
        empty.arrive(f"{day}.csv", MONDAY.replace("1.50", "2.50") if day == "tuesday" else MONDAY)
    assert empty.orders().code == 2
    assert empty.orders("--write", "upsert").code == 0
    (run,) = empty.json("run").json["runs"]
    assert [b["outcome"] for b in run["batches"]] == ["published", "published"]


def test_a_product_is_not_made_twice(declared: Shop):
    """An existing product keeps its files."""
    before = declared.state()
    assert declared.orders().code == 2
    assert declared.state() == before


@pytest.mark.parametrize("name", ["Sales", "sales", "2nd", "select", "a__b", "../up"])
def test_a_domain_that_cannot_be_made(empty: Shop, name: str):
    """A name that cannot be, or that is taken, is exit 2 and changes nothing."""
    before = empty.state()
    assert empty.mesh("new", "domain", name).code == 2
    assert empty.state() == before


def test_a_workspace_of_ones_own_is_left_alone(empty: Shop):
    """Where load_from is not the end of the workspace, the line is said, not written."""
    (empty.root / "workspace.yaml").write_text("load_from: []\nother: 1\n")
    before = empty.state()
    said = empty.mesh("new", "domain", "stock")
    assert said.code == 2
    assert "domains/stock/definitions.py" in said.err
    assert empty.state() == before


def test_init_takes_a_folder_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`mesh init shop` makes ./shop."""
    monkeypatch.chdir(tmp_path)
    assert invoke(["init", "shop"]) == 0
    assert (tmp_path / "shop" / "mesh.toml").is_file()


@pytest.mark.integration
@pytest.mark.parametrize("template", ["as-is", "polars"])
def test_a_product_can_be_made_before_anything_has_arrived(empty: Shop, template: str):
    """Without --from there are declarations to fill in: valid, with the key that was named, reading the product's landing folder."""
    assert empty.mesh("new", "product", "sales.later", "--key", "code", "--template", template).code == 0
    assert empty.json("check").json == {"problems": []}
    landing = empty.root / "landing" / "sales.later"
    assert empty.mesh("run").code == 0
    landing.mkdir(parents=True)
    (landing / "1.csv").write_text("code\na\nb\n")
    (run,) = empty.json("run").json["runs"]
    assert (run["outcome"], run["rows"]) == ("published", 2)
    refused = empty.mesh("new", "product", "sales.other", "--key", "A B")
    assert (refused.code, "no column's name" in refused.err) == (2, True)


@pytest.mark.integration
def test_partitions_that_are_overwritten_are_those_of_the_first_date(empty: Shop, tmp_path: Path):
    """The fourth write mode needs partitions; without a date there is none to choose."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.csv").write_text("day,n\n2026-01-01,1\n2026-01-02,2\n")
    how = ["--from", str(tmp_path / "in"), "--write", "overwrite_partitions"]
    assert empty.mesh("new", "product", "sales.daily", *how).code == 0
    assert "partitioned: true" in (empty.root / "domains/sales/daily/daily.odcs.yaml").read_text()
    (run,) = empty.json("run").json["runs"]
    assert (run["outcome"], run["rows"]) == ("published", 2)
    (tmp_path / "in" / "1.csv").write_text("name,n\na,1\n")
    refused = empty.mesh("new", "product", "sales.names", *how)
    assert (refused.code, "no column is a date" in refused.err) == (2, True)
