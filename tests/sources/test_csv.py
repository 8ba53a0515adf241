"""A CSV's rows have the contract's types exactly; every record that has not is kept with its line and its text."""

from __future__ import annotations

import csv
import gzip
import io

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.declare.product import Dialect
from lakehouse.errors import BatchRefused
from lakehouse.types import Decimal

ABC = {"a": "int", "b": "string", "c": "int"}


def test_files_without_a_fault_are_read_once(landing) -> None:
    """Values written as usual (instants also as ISO 8601 has them) are read quickly; a fault is found, and then all is read again."""
    kinds = {
        "i": "int",
        "m": Decimal(10, 2),
        "f": "double",
        "d": "date",
        "t": "timestamp",
        "z": "timestamptz",
        "s": "string",
        "b": "boolean",
    }
    rows = [
        "1,1.5,1.5,2013-01-02,2013-01-02T10:00:00.000,2013-01-02T10:00:00.500000Z,x,true",
        "2,7,1e3,2013-01-02,2013-01-02 10:00:00,2013-01-02 10:00:00+00,,false",
        ",,,,,,,",
    ]
    landing.put("1.csv", "\n".join([",".join(kinds), *rows]))
    source = landing.source(kinds)
    asked: list[bool] = []

    def read(relation: str, faultless: bool) -> int:  # noqa: FBT001  as `Landed.read` calls it
        asked.append(faultless)
        return len(landing.connection.execute(f"select * from {relation}").fetchall())

    assert source.open(landing.connection, source.deliveries()).read(read) == 3
    landing.put("2.csv", "\n".join([",".join(kinds), rows[0].replace("1.5", "1.555")]))
    landed = source.open(landing.connection, source.deliveries())
    assert (landed.read(read), len(landed.rejected())) == (3, 1)
    assert asked == [True, True, False]


def test_nulls(landing) -> None:
    """Only the declared texts mean no value, in every column; what merely looks like one is a text."""
    landing.put("n.csv", "a,b,c\n1,NA,NA\n2,null,3\n3,,4\n")
    assert landing.read(ABC, dialect=Dialect(nulls=("NA",))).rows == [(1, None, None), (2, "null", 3), (3, "", 4)]
    found = landing.read(ABC)
    assert (found.rows, found.where) == ([(2, "null", 3), (3, None, 4)], [("n.csv", 2, "c")])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_lines_are_physical(landing, end: str) -> None:
    """A rejected row is found at its line as an editor counts, after quoted line ends, blank lines and broken records."""
    lines = ["a,b,c", "1,x,1", '2,"two', 'lines",2', "3,x,bad", "", "4,x", "5,x,5,5", '6,"a', 'b",bad', "bad,x,bad", "7,x,7"]
    landing.put("l.csv", end.join(lines) + end)
    found = landing.read(ABC)
    assert [row[0] for row in found.rows] == [1, 2, 7]
    assert found.where == [("l.csv", 5, "c"), ("l.csv", 7, None), ("l.csv", 8, None), ("l.csv", 9, "c"), ("l.csv", 11, "a")]
    assert [r.raw for r in found.rejected] == ["3,x,bad", "4,x", "5,x,5,5", f'6,"a{end}b",bad', "bad,x,bad"]
    assert found.rejected[0].reason == "'bad' is not a value of type int"


def test_lines_after_many_batches(landing):
    """A bad row far down is found at its line, and the rows around it keep their order."""
    texts = ["x" if n in (100_000, 140_000) else str(n) for n in range(150_000)]
    landing.put("m.csv", "a\n" + "\n".join(texts))
    found = landing.read({"a": "int"})
    assert [row[0] for row in found.rows] == [int(text) for text in texts if text != "x"]
    assert found.where == [("m.csv", 100_002, "a"), ("m.csv", 140_002, "a")]


def test_bytes_that_are_no_text(landing) -> None:
    """A record that is not UTF-8 is kept with its bytes spelled out; its neighbours are read."""
    landing.put("u.csv", b"a,b,c\n1,caf\xe9,1\n2,caf\xc3\xa9,2\n")
    found = landing.read(ABC)
    assert (found.rows, found.where) == ([(2, "café", 2)], [("u.csv", 2, None)])
    assert found.rejected[0].raw == "1,caf\\xe9,1"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
@pytest.mark.parametrize("zipped", [False, True])
def test_encodings(landing, encoding, zipped) -> None:
    """A declared encoding is honoured, zipped or not, and lines are still found."""
    content = "a,b,c\n1,café,1\n2,é,bad\n".encode(encoding)
    landing.put("e.csv.gz" if zipped else "e.csv", gzip.compress(content) if zipped else content)
    found = landing.read(ABC, dialect=Dialect(encoding=encoding))
    assert found.rows == [(1, "café", 1)]
    assert [(r.line, r.raw) for r in found.rejected] == [(3, "2,é,bad")]


def test_zipped(landing) -> None:
    """A .gz file is read like the file inside it, lines included; one that is cut off is refused."""
    whole = gzip.compress(b"a,b,c\n1,x,1\n2,x,bad\n")
    landing.put("z.csv.gz", whole)
    found = landing.read(ABC)
    assert (found.rows, found.where) == ([(1, "x", 1)], [("z.csv.gz", 3, "c")])
    landing.put("z.csv.gz", whole[:-12])
    with pytest.raises(BatchRefused, match=r"z.csv.gz: the file cannot be read"):
        landing.read(ABC)


def test_unterminated_quote(landing) -> None:
    """A quote that never closes swallows the rest of the file: one rejected record, the rows before it are read."""
    landing.put("q.csv", 'a,b,c\n1,x,1\n2,"y,2\n3,z,3\n')
    found = landing.read(ABC)
    assert (found.rows, found.where) == ([(1, "x", 1)], [("q.csv", 3, None)])
    assert found.rejected[0].raw == '2,"y,2\n3,z,3'


def test_text_after_a_quote(landing) -> None:
    """Text after a closing quote is no CSV: that record is rejected, the next is read; a quote inside a bare text is text."""
    landing.put("q.csv", 'a,b,c\n1,"x"y,1\n2,a"b,2\n3,"a""b",3\n')
    found = landing.read(ABC)
    assert (found.rows, found.where) == ([(2, 'a"b', 2), (3, 'a"b', 3)], [("q.csv", 2, None)])


def test_backslash_escape(landing) -> None:
    """An escape other than the quote itself is honoured, also when lines are counted."""
    landing.put("q.csv", 'a,b,c\n1,"x\\"\ny",1\n2,x,bad\n')
    found = landing.read(ABC, dialect=Dialect(escape="\\"))
    assert (found.rows, found.where) == ([(1, 'x"\ny', 1)], [("q.csv", 4, "c")])


def test_long_line(landing) -> None:
    """A line beyond 2 MB is rejected with the beginning of its text, the next line is read."""
    landing.put("long.csv", "a,b,c\n1,x,1\n2," + "z" * 3_000_000 + ",2\n3,x,3\n")
    found = landing.read(ABC)
    assert (found.rows, found.where) == ([(1, "x", 1), (3, "x", 3)], [("long.csv", 3, None)])
    assert len(found.rejected[0].raw) == 65_536


def test_delimiters(landing) -> None:
    """A delimiter may have several characters, and a quote may be none."""
    landing.put("d.csv", 'a||b||c\n1||"x||y"||1\n2||z||bad\n')
    found = landing.read(ABC, dialect=Dialect(delimiter="||"))
    assert (found.rows, found.where) == ([(1, "x||y", 1)], [("d.csv", 3, "c")])
    landing.put("d.csv", 'a,b,c\n1,"x,1\n2,y,"2\n')
    found = landing.read(ABC, dialect=Dialect(quote="", escape=""))
    assert (found.rows, found.where) == ([(1, '"x', 1)], [("d.csv", 3, "c")])


def test_skipped_lines_and_bom(landing) -> None:
    """Declared lines before the header are skipped and still counted; a byte order mark is no part of a name."""
    landing.put("s.csv", b"\xef\xbb\xbf# made by\n# them\na,b,c\n1,x,1\n2,x,bad\n")
    found = landing.read(ABC, dialect=Dialect(skip=2))
    assert (found.rows, found.where) == ([(1, "x", 1)], [("s.csv", 5, "c")])
    landing.put("s.csv", b"\xef\xbb\xbfa,b,c\n1,x,1\n2,x,bad\n")
    found = landing.read(ABC)
    assert (found.rows, found.where) == ([(1, "x", 1)], [("s.csv", 3, "c")])


def test_no_header(landing) -> None:
    """Without a header the columns stand in the contract's order."""
    landing.put("h.csv", "1,x,1\n2,x,bad\n3,x\n")
    found = landing.read(ABC, dialect=Dialect(header=False))
    assert (found.rows, found.where) == ([(1, "x", 1)], [("h.csv", 2, "c"), ("h.csv", 3, None)])


def test_columns_by_name(landing) -> None:
    """Each file may order its columns as it likes; a physical name is the name in the file; extra columns warn once."""
    landing.put("1.csv", "a,Number of C,b\n1,10,x\n")
    landing.put("2.csv", "z,b,Number of C,a,y\n9,x,20,2,9\n")
    landing.put("3.csv", "z,b,Number of C,a,y\n9,x,bad,3,9\n")
    found = landing.read(ABC, physical={"c": "Number of C"})
    assert found.rows == [(1, "x", 10), (2, "x", 20)]
    assert found.where == [("3.csv", 2, "c")]
    assert found.warnings == ("column 'y' is in the files but not in the contract", "column 'z' is in the files but not in the contract")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("a,b,d", r"f.csv: column 'c' is missing\n  hint: .*'?d"),
        ("a,B,c", r"column 'b' is missing\n  hint: did the column become 'B'\? Then set its physicalName"),
        ("a,a,b,c", r"column 'a' is there 2 times"),
        ("", r"f.csv: the file is empty, not even a header is there"),
    ],
)
def test_refused_headers(landing, header: str, message: str) -> None:
    """A missing or doubled column refuses the delivery, with the file, the column and the likely cause."""
    landing.put("f.csv", f"{header}\n" if header else "")
    with pytest.raises(BatchRefused, match=message):
        landing.read(ABC)


def test_header_alone(landing) -> None:
    """A header without rows is an empty delivery."""
    landing.put("h.csv", "a,b,c")
    assert landing.read(ABC).rows == []


def test_mixed_line_ends_refuse_the_file(landing) -> None:
    """A file that cannot be split into records is refused by name; the source knows the error that the engine wrapped."""
    landing.put("m.csv", "a,b,c\n1,x,1\r\n2,y,2\n")
    source = landing.source(ABC)
    landed = source.open(landing.connection, source.deliveries())
    with pytest.raises(duckdb.Error):
        landing.connection.execute(f"SELECT * FROM {landed.relation}").fetchall()
    assert isinstance(landed.failure, BatchRefused)
    assert "m.csv: the file cannot be read as a CSV" in str(landed.failure)


def test_one_column(landing) -> None:
    """In a file of one column a blank line is a row without a value."""
    landing.put("o.csv", "a\n1\n\nx\n")
    found = landing.read({"a": "int"})
    assert (found.rows, found.where) == ([(1,), (None,)], [("o.csv", 4, "a")])


def test_names_that_sql_would_take_apart(landing) -> None:
    """File and column names with quotes and wildcards are only names."""
    landing.put("it's [1] * ?.csv", '"a""b",select\n1,x\nbad,x\n')
    found = landing.read({"a": "int", "s": "string"}, physical={"a": 'a"b', "s": "select"}, path="it's [1] * ?.csv")
    assert (found.rows, found.where) == ([(1, "x")], [("it's [1] * ?.csv", 3, "a")])


def test_consumer_cannot_change_the_reading(landing) -> None:
    """What a consumer selects or casts does not change which rows are rejected, and reading again gives the same."""
    landing.put("c.csv", "a,b,c\n1,x,1\n2,x,bad\n")
    source = landing.source(ABC)
    landed = source.open(landing.connection, source.deliveries())
    for columns in ("a", "c::VARCHAR", "count(*)", "*"):
        assert len(landing.connection.execute(f"SELECT {columns} FROM {landed.relation}").fetchall()) == 1
        assert [r.line for r in landed.rejected()] == [3]
    assert landing.connection.execute(f"SELECT count(*) FROM {landed.relation} x JOIN {landed.relation} y USING (a)").fetchall() == [(1,)]


def test_rejected_without_reading(landing) -> None:
    """What was rejected is complete even when nobody, or only a part, was read."""
    landing.put("r.csv", "a,b,c\n1,x,1\n" * 1 + "2,x,2\n" * 1000 + "3,x,bad\n")
    source = landing.source(ABC)
    landed = source.open(landing.connection, source.deliveries())
    landing.connection.execute(f"SELECT * FROM {landed.relation} LIMIT 1").fetchall()
    assert [r.line for r in landed.rejected()] == [1003]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
NUMBER = st.one_of(st.integers(-5, 5).map(str), st.sampled_from(["bad", "1.5", ""]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(NUMBER, TEXT), min_size=1, max_size=20), st.sampled_from(["\n", "\r\n"]), st.sampled_from([",", ";", "\t"]))
def test_round_trip(landing, rows: list[tuple[str, str]], end: str, delimiter: str) -> None:
    """What Python's csv module writes is read as it was, and each bad record is found at the line where it was written."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b"])
    expected: list[tuple[int | None, str | None]] = []
    lines = []
    for number, text in rows:
        if number in ("bad", "1.5"):
            lines.append(buffer.getvalue().count(end if end == "\n" else "\n") + 1)
        else:
            expected.append((int(number) if number else None, text or None))
        writer.writerow([number, text])
    landing.put("h.csv", buffer.getvalue())
    found = landing.read({"a": "int", "b": "string"}, dialect=Dialect(delimiter=delimiter))
    assert found.rows == expected
    assert [r.line for r in found.rejected] == lines
