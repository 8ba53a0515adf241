"""What has arrived at a path, and which partition it is."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pytest
from blake3 import blake3

from lakehouse.errors import BatchRefused, WrongUse
from lakehouse.sources import open_source
from lakehouse.sources.arrivals import partition

A = {"a": "int"}


def names(source: Any) -> list[str]:
    return [d.name for d in source.deliveries()]


@pytest.fixture
def full(landing: Any) -> Any:
    for name in (
        "b.csv",
        "a.csv",
        "c.csv.gz",
        ".hidden.csv",
        "d.csv.tmp",
        "e.csv.part",
        "f.txt",
        "sub/g.csv",
        ".git/h.csv",
        "sub/deep/i.csv",
    ):
        content = b"a\n1\n"
        landing.put(f"in/{name}", gzip.compress(content) if name.endswith(".gz") else content)
    (landing.root / "in/folder.csv").mkdir()
    return landing


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("in", ["a.csv", "b.csv", "c.csv.gz"]),
        ("in/b.csv", ["b.csv"]),
        ("in/*.csv", ["a.csv", "b.csv"]),
        ("in/[ab].csv", ["a.csv", "b.csv"]),
        ("in/*", ["a.csv", "b.csv", "c.csv.gz", "f.txt"]),
        ("in/**/*.csv", ["a.csv", "b.csv", "sub/deep/i.csv", "sub/g.csv"]),
        ("in/*/g.csv", ["sub/g.csv"]),
        ("in/nothing.csv", []),
        ("nowhere", []),
        ("nowhere/*.csv", []),
    ],
)
def test_paths(full: Any, path: str, expected: list[str]) -> None:
    """A file, a folder or a glob; what is hidden, unfinished or no file has not arrived; names are below the fixed part."""
    assert names(full.source(A, path=path)) == expected
    assert names(full.source(A, path=str(full.root / path))) == expected
    assert names(full.source(A, path=f"file://{full.root / path}")) == expected


def test_remote(full: Any) -> None:
    """Files of another file system are listed, digested and read like local ones."""
    memory = fsspec.filesystem("memory")
    for name, content in {
        "in/a.csv": b"a\n1\nx\n",
        "in/b.csv.gz": gzip.compress(b"a\n2\n"),
        "in/sub/a.csv": b"a\n3\n",
        "in/t.csv.tmp": b"",
    }.items():
        memory.pipe(f"/{name}", content)
    try:
        assert names(full.source(A, path="memory://in")) == ["a.csv", "b.csv.gz"]
        assert names(full.source(A, path="memory://in/a.csv")) == ["a.csv"]
        assert names(full.source(A, path="memory://in/none.csv")) == []
        source = full.source(A, path="memory://in/**/*.csv", delivery="{place}/a.csv")
        first, second = source.deliveries()
        assert (first.name, second.name, second.partition) == ("a.csv", "sub/a.csv", "sub")
        assert source.digest(first) == blake3(b"a\n1\nx\n").hexdigest()
        assert first.size == 6
        found = full.read(A, path="memory://in/**/*.csv")
        assert (found.rows, found.where) == ([(1,), (3,)], [("a.csv", 3, "a")])
        before = first.stamp
        memory.pipe("/in/a.csv", b"a\n22\n")
        assert source.deliveries()[0].stamp != before
    finally:
        memory.rm("/in", recursive=True)


def test_copies_are_deleted(full: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies of remote or recoded files are gone when the relation is."""
    import gc
    import tempfile

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    fsspec.filesystem("memory").pipe("/one/a.csv", b"a\n1\n")
    with duckdb.connect() as connection:
        source = full.source(A, path="memory://one/a.csv")
        landed = source.open(connection, source.deliveries())
        assert connection.execute(f"SELECT * FROM {landed.relation}").fetchall() == [(1,)]
        assert list(scratch.iterdir())
    del landed, connection
    gc.collect()
    assert list(scratch.iterdir()) == []
    fsspec.filesystem("memory").rm("/one", recursive=True)


def test_stamp_and_digest(full: Any) -> None:
    """The stamp changes with time or size, the digest with the content."""
    source = full.source(A, path="in/a.csv")
    (before,) = source.deliveries()
    path = Path(before.location)
    os.utime(path, ns=(1, before.size))
    (touched,) = source.deliveries()
    assert touched.stamp != before.stamp
    assert source.digest(touched) == source.digest(before) == blake3(path.read_bytes()).hexdigest()
    path.write_bytes(b"a\n2\n")
    assert source.digest(before) == blake3(b"a\n2\n").hexdigest()


@pytest.mark.parametrize(
    ("location", "template", "expected"),
    [
        ("/x/flights/2013-01-01.csv", "flights/{date}.csv", "2013-01-01"),
        ("/x/flights/2013-01-01.csv.gz", "flights/{date}.csv", "2013-01-01"),
        ("/x/2013/EWR.csv", "{year}/{origin}.csv", "2013/EWR"),
        ("/x/myflights/2013.csv", "flights/{date}.csv", None),
        ("/x/flights/a/b.csv", "flights/{date}.csv", None),
        ("/x/flights/readme.txt", "flights/{date}.csv", None),
        ("/x/f.l/1.csv", "f?l/{n}.csv", None),
    ],
)
def test_partition(location: str, template: str, expected: str | None) -> None:
    """The template's placeholder names the partition; a location that does not fit has none."""
    assert partition(location, template) == expected


def test_vanished(full: Any) -> None:
    """A file that went away since it was listed refuses the delivery, when it is digested and when it is opened."""
    source = full.source(A, path="in/a.csv")
    (delivery,) = source.deliveries()
    Path(delivery.location).unlink()
    with pytest.raises(BatchRefused, match=r"a.csv: the file cannot be read"):
        source.digest(delivery)
    with pytest.raises(BatchRefused, match=r"a.csv: the file cannot be read"):
        source.open(full.connection, [delivery])


def test_no_files(full: Any) -> None:
    """Opening no deliveries gives no rows, in the contract's columns."""
    landed = full.source(A).open(full.connection, [])
    relation = full.connection.sql(f"SELECT * FROM {landed.relation}")
    assert (relation.columns, list(map(str, relation.types)), relation.fetchall(), landed.rejected()) == (["a"], ["INTEGER"], [], ())


def test_port_without_files(full: Any) -> None:
    """A port that reads another product has no file source."""
    from lakehouse.declare.contract import Place
    from lakehouse.declare.product import InputPort

    with pytest.raises(WrongUse, match="reads no files"):
        open_source(InputPort(name="x", place=Place(file="p.yaml")), full.root)
