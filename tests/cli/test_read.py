"""`mesh query`, `mesh read` and `lakemesh.connect`: the same rows in every form, and nothing but ports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakemesh
from lakehouse.errors import MeshError, WrongUse
from lakehouse.testing import MeshFolder, Property
from orchestration.story import Request, run_product
from tests.cli.conftest import Shop

COLUMNS: dict[str, Property] = {
    "id": "integer",
    "day": "date",
    "price": {"logicalType": "number", "physicalType": "decimal(9,2)"},
    "weight": {"logicalType": "number", "customProperties": [{"property": "lakemesh", "vendor": "lakemesh", "value": {"allowNaN": True}}]},
    "at": "timestamp",
    "name": "string",
}
FIRST = "id,day,price,weight,at,name\n1,2024-01-01,1.10,nan,2024-01-01T12:00:00+02:00,Ada\n2,2024-01-02,2.00,0.5,2024-01-02T00:00:00Z,NA\n"
SECOND = "id,day,price,weight,at,name\n1,2024-01-01,1.15,1.0,2024-01-01T10:00:00Z,Ada\n3,2024-01-03,3.00,1.0,2024-01-03T00:00:00Z,Cy\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mesh whose `shop.items` was published twice; the second changed item 1 and added item 3."""
    made = MeshFolder(tmp_path_factory.mktemp("reading"))
    made.product("shop.items", columns=COLUMNS, key=["id"], write="upsert")
    made.product("shop.never", columns={"id": "integer"})
    for name, text in (("a.csv", FIRST), ("b.csv", SECOND)):
        made.deliver("shop.items", name, text)
        with made.open() as mesh:
            outcomes = [*run_product(mesh, mesh.product(next(iter(mesh.declarations.products))), Request(run_id=name))]
            assert [o.result for o in outcomes] == ["published"]
    return made.root


@pytest.fixture
def shop(folder: Path, capsys: pytest.CaptureFixture[str]) -> Shop:
    def read() -> tuple[str, str]:
        found = capsys.readouterr()
        return found.out, found.err

    return Shop(folder, read)


@pytest.fixture
def client(folder: Path) -> Iterator[lakemesh.Client]:
    with lakemesh.connect(folder) as client:
        yield client


def test_json_keeps_what_it_is_given(shop: Shop):
    """Dates are ISO, instants UTC with a Z, decimals the digits they have, NaN and NULL null."""
    said = shop.json("query", "select * from shop.items where id < 3 order by id")
    assert '"price": 2.00' in said.out
    assert said.json[1] == {"id": 2, "day": "2024-01-02", "price": 2.0, "weight": 0.5, "at": "2024-01-02T00:00:00Z", "name": None}
    assert shop.json("query", "select weight from shop.items where id = 1", "--as-of", first(shop)).json == [{"weight": None}]


def first(shop: Shop) -> str:
    return str(shop.json("log", "shop.items").json["publications"][-1]["id"])


@pytest.mark.parametrize("form", ["csv", "json", "parquet", "arrow"])
def test_every_format_has_the_same_rows(shop: Shop, tmp_path: Path, form: str):
    """A file in each format holds the port's rows; its name says the format."""
    file = tmp_path / f"items.{form}"
    assert shop.mesh("read", "shop.items", "--columns", "id,name", "-o", str(file)).code == 0
    rows = {
        "csv": lambda: [{"id": int(r["id"]), "name": r["name"] or None} for r in csv.DictReader(io.StringIO(file.read_text()))],
        "json": lambda: json.loads(file.read_text()),
        "parquet": lambda: pq.read_table(file).to_pylist(),
        "arrow": lambda: pa.ipc.open_stream(file.read_bytes()).read_all().to_pylist(),
    }[form]()
    assert sorted(rows, key=lambda r: r["id"]) == [{"id": 1, "name": "Ada"}, {"id": 2, "name": None}, {"id": 3, "name": "Cy"}]
    assert [p.name for p in tmp_path.iterdir()] == [file.name]


def test_json_is_one_document_also_when_the_rows_go_to_a_file(shop: Shop, tmp_path: Path):
    """With -o the answer says which file holds how many rows; two columns of one name are both there."""
    file = tmp_path / "items.csv"
    said = shop.json("read", "shop.items", "--format", "csv", "-o", str(file))
    assert said.json == {"file": str(file), "rows": 3}
    assert file.read_text().count("\n") == 4
    assert shop.json("query", "select 1 as id, 2 as id, 3 as id_1").json == [{"id": 1, "id_1": 2, "id_1_1": 3}]


@pytest.mark.parametrize(("left", "message"), [(None, "a data file is missing"), (0, "too small"), (100, "No magic bytes")])
def test_a_damaged_file_is_named(shop: Shop, left: int | None, message: str):
    """What the catalog leads to and is not there, or is cut short, is exit 3, with its place, and the hint says what finds all of it."""
    kept = {file: file.read_bytes() for file in (shop.root / ".mesh/warehouse/shop/items/data").rglob("*.parquet")}
    for file, content in kept.items():
        file.unlink() if left is None else file.write_bytes(content[:left])
    said = shop.json("read", "shop.items")
    for file, content in kept.items():
        file.write_bytes(content)
    assert said.code == 3
    assert message in said.error["message"]
    assert said.error["place"] in map(str, kept)
    assert "mesh verify" in said.error["hint"]


def test_time_travel(shop: Shop):
    """A publication's id, a time and a date show what was shown then."""
    query = "select count(*) as n from shop.items"
    assert shop.json("query", query, "--as-of", first(shop)).json == [{"n": 2}]
    assert shop.json("query", query, "--as-of", "2026-01-01").json == [{"n": 3}]
    assert shop.json("query", query, "--as-of", "2026-01-01T12:00:00").json == [{"n": 3}]
    assert "has not been published at" in shop.json("query", query, "--as-of", "2025-12-31").error["message"]


def test_changes_are_the_net_difference(shop: Shop):
    """Between two publications: what went and what came, whole rows; without --changes only what came."""
    words = ("read", "shop.items", "--since", first(shop), "--columns", "id,price")
    changes = shop.json(*words, "--changes").json
    assert sorted((c["_change"], c["id"], c["price"]) for c in changes) == [("delete", 1, 1.1), ("insert", 1, 1.15), ("insert", 3, 3.0)]
    assert sorted(r["id"] for r in shop.json(*words).json) == [1, 3]
    assert shop.json(*words, "--changes", "--until", first(shop)).json == []


def test_where_keeps_to_its_bracket(shop: Shop):
    """A comment in --where hides nothing."""
    assert shop.json("read", "shop.items", "--where", "id = 3 -- or all", "--columns", "id").json == [{"id": 3}]


@pytest.mark.parametrize(
    ("sql", "code", "said"),
    [
        ("select * from read_csv('/etc/passwd')", 2, "read_csv"),
        ("select * from '/etc/passwd'", 2, "no port"),
        ('with "/etc/passwd" as (select 1) select * from "/etc/passwd"', 2, "no port"),
        ("select * from duckdb_settings()", 2, "duckdb_settings"),
        ("select * from query('select 1')", 2, "query"),
        ("from information_schema.tables", 2, "information_schema"),
        ("show tables", 2, "SHOW"),
        ("drop table shop.items", 2, "only a query"),
        ("copy (select 1) to 'x.csv'", 2, "only a query"),
        ("set threads = 9", 2, "only a query"),
        ("select 1; select 2", 2, "not one query"),
        ("", 2, "not one query"),
        ("selec 1", 2, "syntax error"),
        ("select * from shop.item", 2, "no port"),
        ("select * from items", 2, "no port"),
        ("select * from other.shop.items", 2, "no port"),
        ("select * from shop.items__quarantine", 2, "no port"),
        ("select * from shop.never", 2, "has not been published"),
        ("select nope from shop.items", 2, "nope"),
        ("select nope(id) from shop.items", 2, "nope"),
        ("select 'x'::int", 1, "Could not convert"),
        ("select " + "(" * 3000 + "1" + ")" * 3000, 2, ""),
    ],
)
def test_only_queries_over_ports_are_admitted(shop: Shop, sql: str, code: int, said: str):
    """Everything else is refused with a hint and without a traceback; --json gives one document."""
    found = shop.json("query", sql)
    assert found.code == code, found.out
    assert said in found.error["message"]
    assert found.error["hint"]
    assert found.err == ""


@pytest.mark.parametrize(
    "words",
    [
        ["read", "shop.items", "--columns", "nmae"],
        ["read", "shop.items", "--where", "nope = 1"],
        ["read", "shop.items", "--changes"],
        ["read", "shop.items", "--since", "x", "--as-of", "y"],
        ["read", "shop.items", "--as-of", "2024-13-45"],
        ["read", "shop.items", "--as-of", "zzz"],
        ["read", "shop.items", "--batch", "zzz"],
        ["read", "shop", "--columns", "id"],
        ["read", "shop.items", "-o", "."],
        ["read", "shop.items", "-o", "/no/such/folder/x.csv"],
        ["read", "shop.items", "--format", "xml"],
        ["read", "shop.items", "--format", "csv"],
        ["query", "select 1", "--format", "parquet"],
        ["read", "shop.items", "--format", "table", "-o", "items.txt"],
    ],
)
def test_wrong_use_of_read(shop: Shop, words: list[str]):
    """What means nothing is exit 2 with a hint."""
    said = shop.json(*words)
    assert said.code == 2
    assert said.error["hint"]


@pytest.mark.parametrize("words", [["query", "select * from shop.items"], ["read", "shop.items"]])
def test_nobody_but_the_operator_reads_yet(shop: Shop, words: list[str]):
    """Without policies every other principal is denied, on every path."""
    said = shop.json(*words, "--as", "analyst@example.com")
    assert said.code == 1
    assert "may not read" in said.error["message"]


def test_binary_is_not_for_a_terminal(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    """Parquet goes to a file or a pipe."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    said = shop.mesh("read", "shop.items", "--format", "parquet")
    assert (said.code, said.out) == (2, "")


def test_a_client_reads_as_the_command_does(client: lakemesh.Client):
    """All forms of a result hold the same rows, and can be asked for more than once."""
    result = client.read("shop.items", columns=["id", "name"], where="id <> 2")
    expected = [{"id": 1, "name": "Ada"}, {"id": 3, "name": "Cy"}]
    frames = [result.to_arrow().to_pylist(), result.to_polars().to_dicts(), result.to_pandas().to_dict("records")]
    frames.append([row for batch in result.batches(1) for row in batch.to_pylist()])
    frames.append([dict(zip(("id", "name"), row, strict=True)) for row in result.to_duckdb().fetchall()])
    assert [sorted(rows, key=lambda r: r["id"]) for rows in frames] == [expected] * 5
    assert client.query("select count(*) as n from shop.items", as_of="2026-01-01").to_arrow().to_pylist() == [{"n": 3}]
    with pytest.raises(MeshError, match="no port"):
        client.query("select * from nowhere.items")
    for wrong in (lambda: client.read("shop.items", columns=["nmae"]), lambda: client.read("shop.itmes")):
        with pytest.raises(WrongUse) as told:
            wrong()
        assert "did you mean" in told.value.hint


def test_inputs_are_what_a_transform_would_be_given(client: lakemesh.Client):
    """A source's deliveries under their names, in the annotated form; whole, whatever was taken already."""
    with client.inputs("shop.items") as inputs:
        assert list(inputs) == ["landed"]
        assert inputs["landed"].num_rows == 4
