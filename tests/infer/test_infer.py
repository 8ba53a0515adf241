"""A draft says only what all values show, and its evidence; the reader then rejects none of them."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.address import Address, name_problem
from lakehouse.declare.contract import Column, Contract, Place
from lakehouse.declare.product import Dialect, FileSource, InputPort
from lakehouse.errors import WrongUse
from lakehouse.infer import Draft, infer
from lakehouse.infer.names import column_names
from lakehouse.sources import open_source

PLACE = Place(file="p.yaml")


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(draft: Draft, files: list[Path]) -> tuple[int, int]:
    """How many rows the reader takes and rejects under the draft."""
    columns = tuple(Column(name=c.name, type=c.type, physical_name=c.physical_name, place=PLACE) for c in draft.columns)
    contract = Contract(address=Address("d", "x"), version="1.0.0", columns=columns, place=PLACE)
    rows = rejected = 0
    with duckdb.connect() as connection:
        for file in files:
            source = FileSource(path=str(file), format=draft.format, dialect=draft.dialect)
            opened = open_source(InputPort(name="x", source=source, expected=contract, place=PLACE), file.parent)
            landed = opened.open(connection, opened.deliveries())
            rows += connection.execute(f"SELECT count(*) FROM {landed.relation}").fetchall()[0][0]
            rejected += len(landed.rejected())
    return rows, rejected


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2", ""], "long"),
        (["1", "2.5"], "double"),
        (["1.0", "2.0"], "double"),
        (["01234", "99999"], "string"),
        (["0", "10"], "long"),
        (["0.5", "-0.25"], "double"),
        (["9223372036854775807", "1"], "long"),
        (["9223372036854775808", "1"], "string"),
        (["1", "x"], "string"),
        (["", ""], "string"),
        (["NA", "NA"], "string"),
        (["true", "FALSE"], "boolean"),
        (["0", "1"], "long"),
        (["yes", "no"], "string"),
        (["2013-01-02", "2013-12-31"], "date"),
        (["2013-01-02", "x"], "string"),
        (["31.12.2013", "01.02.2013"], "date"),
        (["12/31/2013", "01/02/2013"], "date"),
        (["01/02/2013", "03/04/2013"], "string"),
        (["2013-01-02 10:00", "2013-01-02"], "timestamp"),
        (["2013-01-02T10:00:00Z", "2013-01-02T10:00:00-05:00"], "timestamptz"),
        (["2013-01-02T10:00:00Z", "2013-01-02T10:00:00"], "string"),
        (["550e8400-e29b-41d4-a716-446655440000"], "uuid"),
        (["550e8400e29b41d4a716446655440000"], "string"),
        (["1_000", "2"], "string"),
        (["0x10", "2"], "string"),
        (["inf", "1.5"], "string"),
    ],
    ids=str,
)
def test_csv_types(tmp_path: Path, values: list[str], kind: str) -> None:
    """A type is guessed only when every value has it in one reading; what could be read two ways stays a text."""
    file = put(tmp_path, "t.csv", "id,v\n" + "".join(f"k{n},{value}\n" for n, value in enumerate(values)))
    draft = infer([file])
    assert str(draft.columns[1].type) == kind
    assert read(draft, [file]) == (len(values), 0)


def test_evidence(tmp_path: Path) -> None:
    """Required, unique and key candidates stand with the counts they rest on; floats and flags are no keys."""
    file = put(tmp_path, "e.csv", "id,name,ratio\n1,a,0.5\n2,,0.25\n3,a,0.75\n")
    draft = infer([file])
    identity, name, ratio = draft.columns
    assert (identity.required, identity.unique) == (True, True)
    assert identity.evidence == "all values are whole numbers; 0 of 3 rows empty; 3 distinct values in 3 rows"
    assert (name.required, name.unique, name.evidence) == (False, False, "texts; 1 of 3 rows empty")
    assert ratio.unique
    assert (draft.key_candidates, draft.rows, draft.whole) == (("id",), 3, True)


def test_sample_is_stated(tmp_path: Path) -> None:
    """A draft from a part of the rows says so."""
    file = put(tmp_path, "s.csv", "a\n" + "1\n" * 100)
    assert (infer([file], sample_rows=10).whole, infer([file], sample_rows=10).rows) == (False, 10)


@pytest.mark.parametrize(("delimiter", "quote"), [(",", '"'), (";", '"'), ("\t", '"'), ("|", '"'), (",", "'")])
def test_dialect(tmp_path: Path, delimiter: str, quote: str) -> None:
    """Delimiter and quote are found, quoted line ends included."""
    rows = [["id", "text"], ["1", f"a{delimiter}b"], ["2", "two\nlines"], ["3", "plain"]]
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, quotechar=quote, quoting=csv.QUOTE_ALL).writerows(rows)
    draft = infer([put(tmp_path, "d.csv", buffer.getvalue())])
    assert (draft.dialect.delimiter, draft.dialect.quote, draft.rows) == (delimiter, quote, 3)
    assert [str(c.type) for c in draft.columns] == ["long", "string"]


def test_decimal_comma(tmp_path: Path) -> None:
    """A decimal comma is found; a column that is written otherwise in the same file is a text."""
    draft = infer([put(tmp_path, "d.csv", "a;b;c\n1,5;1;1.5\n2,25;2;2.5\n")])
    assert draft.dialect.decimal == ","
    assert [str(c.type) for c in draft.columns] == ["double", "long", "string"]


def test_null_texts(tmp_path: Path) -> None:
    """A text means no value only when it stands among values of another type."""
    file = put(tmp_path, "n.csv", "n,code,word\n1,NA,-\n2,x,x\nNA,,null\n")
    draft = infer([file])
    assert draft.dialect.nulls == ("", "NA")
    assert [c.required for c in draft.columns] == [False, False, True]
    assert read(draft, [file]) == (3, 0)


def test_header(tmp_path: Path) -> None:
    """A first line with numbers or gaps is no header; the columns are then numbered."""
    draft = infer([put(tmp_path, "h.csv", "1,x\n2,y\n")])
    assert (draft.dialect.header, [c.name for c in draft.columns], draft.rows) == (False, ["column_1", "column_2"], 2)
    assert infer([put(tmp_path, "h.csv", "id,name\na,x\n")]).dialect.header


@pytest.mark.parametrize(
    ("text", "names", "said"),
    [
        ("id,x,\n1,2,\n2,3,\n", ["id", "x"], "a column without a name was left out"),
        ("id,day,day\na,2024-01-01,2024-01-02\n", ["id"], "column 'day' is there more than once"),
    ],
)
def test_a_header_with_gaps_or_doubles_is_a_header(tmp_path: Path, text: str, names: list[str], said: str) -> None:
    """A line of names before a line of values is never taken for a row; what cannot be told by its name is left out, and said."""
    file = put(tmp_path, "h.csv", text)
    draft = infer([file])
    assert (draft.dialect.header, [c.name for c in draft.columns]) == (True, names)
    assert said in draft.notes[0]
    assert read(draft, [file]) == (text.count("\n") - 1, 0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
@pytest.mark.parametrize("name", ["e.csv", "e.csv.gz"])
def test_encodings(tmp_path: Path, encoding: str, name: str) -> None:
    """A file that is not UTF-8 is declared as what it is, and said to be; the reader then takes every row."""
    text = "id;Größe;Ort\n1;1,5;Köln\n2;2,5;Besançon\n".encode(encoding)
    file = put(tmp_path, name, gzip.compress(text) if name.endswith(".gz") else text)
    draft = infer([file])
    known = encoding.removesuffix("-sig")
    assert (draft.dialect.encoding, draft.dialect.decimal) == (known, ",")
    assert [(c.physical_name, str(c.type)) for c in draft.columns] == [("id", "long"), ("Größe", "double"), ("Ort", "string")]
    assert any(known in note for note in draft.notes) == (known != "utf-8")
    assert read(draft, [file]) == (2, 0)


def test_several_files(tmp_path: Path) -> None:
    """Types are widened over all files, orders may differ, and columns that are not in all of them are left out."""
    files = [
        put(tmp_path, "1.csv", "a,b\n1,x\n"),
        put(tmp_path, "2.csv", "b,a,z\ny,2.5,0\n"),
        put(tmp_path, "3.csv.gz", gzip.compress(b"a,b\n,z\n")),
    ]
    draft = infer(files)
    assert [(c.name, str(c.type), c.required) for c in draft.columns] == [("a", "double", False), ("b", "string", True)]
    assert draft.notes == ("column 'z' is not in every file and was left out",)
    assert read(draft, files) == (3, 0)


@pytest.mark.parametrize("content", ["n\n1,5\n2\n3,0\n", "name\nann\nbob, jr\ncid\n", "text\nhello; world, you\nfoo\nbar; x\n"])
def test_one_column_stays_one(tmp_path, content: str):
    """A delimiter that only some values hold, and the header does not, is none."""
    files = [put(tmp_path, "1.csv", content)]
    draft = infer(files)
    assert len(draft.columns) == 1
    assert read(draft, files) == (content.count("\n") - 1, 0)


def test_lines_that_are_no_records_are_counted(tmp_path):
    """A line too long and one too short hide neither the dialect nor themselves: so many are quarantined by the first run."""
    lines = [f"{n},name {n}" for n in range(100)]
    lines[50:52] = ["50,a,b,c", "51"]
    files = [put(tmp_path, "1.csv", "id,name\n" + "\n".join(lines) + "\n"), put(tmp_path, "2.csv", "id,name\n100,x\n")]
    draft = infer(files)
    assert [(c.name, str(c.type)) for c in draft.columns] == [("id", "long"), ("name", "string")]
    assert draft.notes == ("2 lines cannot be read with these columns, and will be quarantined",)
    assert read(draft, files) == (99, 2)


def test_json_lines(tmp_path: Path) -> None:
    """JSON's own types are kept; dates and nested types are found; mixed values are named as such."""
    lines = ['{"a":1,"day":"2013-01-01","l":[1,null],"s":{"x":1.5},"m":1}', '{"a":2,"l":[],"s":{"y":"z"},"m":"x"}']
    file = put(tmp_path, "j.jsonl", "\n".join(lines))
    draft = infer([file])
    assert {c.name: str(c.type) for c in draft.columns} == {
        "a": "long",
        "day": "date",
        "l": "list<long>",
        "s": "struct<x:double,y:string>",
        "m": "string",
    }
    assert (draft.columns[1].required, draft.key_candidates) == (False, ("a", "m"))
    assert draft.columns[4].evidence.startswith("mixed: values that are no texts will be rejected")
    assert read(draft, [file]) == (1, 1)


def test_json_without_loss(tmp_path: Path) -> None:
    """Whole numbers beyond a long are decimals, not doubles; objects without anything in them are left out, and said."""
    lines = ['{"id":123456789012345678901234567890,"o":{},"s":{"a":1,"e":{},"l":[{}]}}', '{"id":1,"o":{},"s":{"a":2}}']
    file = put(tmp_path, "j.jsonl", "\n".join(lines))
    draft = infer([file])
    assert {c.name: str(c.type) for c in draft.columns} == {"id": "decimal(38,0)", "s": "struct<a:long>"}
    assert draft.notes == ("column 'o' holds objects without anything in them and was left out",)
    assert read(draft, [file]) == (2, 0)


def test_parquet(tmp_path: Path) -> None:
    """A Parquet file's own types are the draft's, nested ones included."""
    file = tmp_path / "p.parquet"
    query = """SELECT i::INTEGER AS i, i::BIGINT AS b, 1.5::DECIMAL(10,2) AS d, DATE '2013-01-01' AS day, [i] AS l,
        {'x': i} AS s, MAP {'k': i} AS m, TIMESTAMPTZ '2013-01-01 00:00:00Z' AS t, uuid() AS u, 'ab'::BLOB AS bin FROM range(3) r(i)"""
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet)")
    draft = infer([file])
    assert [str(c.type) for c in draft.columns] == [
        *("int", "long", "decimal(10,2)", "date", "list<long>", "struct<x:long>", "map<string,long>", "timestamptz", "uuid", "binary")
    ]
    assert draft.key_candidates[:2] == ("i", "b")
    assert read(draft, [file]) == (3, 0)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["tailNum", "Tail Num", "IATA", "HTTPServer"], ("tail_num", "tail_num_2", "iata", "http_server")),
        (["select", "order", "time_hour"], ("select_", "order_", "time_hour")),
        (["2013", "Zürich", "", "__x__", "%"], ("column_2013", "zurich", "column_3", "x", "column_5")),
        (["a", "a", "a_2"], ("a", "a_2", "a_2_2")),
    ],
)
def test_names(headers: list[str], expected: tuple[str, ...]) -> None:
    """Names are lower snake case, legal, and different; reserved words get an underscore."""
    assert column_names(headers) == expected


@given(st.lists(st.text(max_size=12), max_size=8))
def test_names_are_always_legal(headers: list[str]) -> None:
    """Whatever a header says, its name is one that a contract may use, once."""
    names = column_names(headers)
    assert len(set(names)) == len(names) == len(headers)
    assert [name_problem(name) for name in names] == [None] * len(names)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.csv", "", "empty|no rows"),
        ("e.csv", "a,b\n", "no rows to learn from"),
        ("e.jsonl", "[1]\n", "no rows to learn from"),
        ("e.parquet", "x", "cannot be read as Parquet"),
        ("e.txt", "x", "not all of one format"),
        ("e.csv", b"\xff\xfe\x00\x01" * 9, "e.csv"),
    ],
)
def test_nothing_to_learn(tmp_path: Path, name: str, content: Any, message: str) -> None:
    """Files without rows, or of no known format, are refused with a hint."""
    with pytest.raises(WrongUse, match=f"(?s)({message}).*hint: "):
        infer([put(tmp_path, name, content)])
    with pytest.raises(WrongUse, match="no files are there"):
        infer([])


CELL = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=False).map(str),
    st.dates().map(str),
    st.datetimes().map(str),
    st.sampled_from(["", "NA", "true", "false", "01", "-", "x y", "1,5"]),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=12))
def test_draft_reads_its_own_file(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    """The reader takes every row of the file that the draft was made from."""
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([("first", "second"), *rows])
    file = put(tmp_path, "h.csv", buffer.getvalue())
    draft = infer([file])
    assert draft.dialect.delimiter == Dialect().delimiter
    assert read(draft, [file]) == (len(rows), 0)
