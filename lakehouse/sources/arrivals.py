"""What lies at a source's path, and how its bytes are reached: local files in place, others through fsspec. Next: `rows.py`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from lakehouse.declare.product import FileSource
from lakehouse.sources import Delivery

_SUFFIXES = {"csv": (".csv", ".csv.gz"), "jsonl": (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"), "parquet": (".parquet",)}
_UNFINISHED = (".tmp", ".part")


def arrivals(source: FileSource, root: Path, template: str | None) -> Sequence[Delivery]:
    """The deliveries at `source.path`, by name."""
    base, paths = _paths(source, root)
    return tuple(sorted((_delivery(path, base, template) for path in paths), key=lambda d: d.name))


def binary(delivery: Delivery) -> IO[bytes]:
    return Path(delivery.location).open("rb")


def local(delivery: Delivery, encoding: str) -> Path:
    return Path(delivery.location)


def _paths(source: FileSource, root: Path) -> tuple[Path, list[Path]]:
    path = root / source.path
    if any(c in source.path for c in "*?["):
        base = root / _fixed(source.path)
        return base, [p for p in base.glob(str(path.relative_to(base))) if p.is_file() and _finished(p)]
    if path.is_dir():
        return path, [p for p in path.iterdir() if p.is_file() and p.name.endswith(_SUFFIXES[source.format]) and _finished(p)]
    return path.parent, [path] if path.is_file() else []


def _fixed(pattern: str) -> str:
    parts = Path(pattern).parts
    first = next(n for n, part in enumerate(parts) if any(c in part for c in "*?["))
    return str(Path(*parts[:first])) if first else ""


def _finished(path: Path) -> bool:
    return not path.name.startswith(".") and not path.name.endswith(_UNFINISHED)


def _delivery(path: Path, base: Path, template: str | None) -> Delivery:
    stat = path.stat()
    return Delivery(
        name=path.relative_to(base).as_posix(),
        location=str(path),
        size=stat.st_size,
        stamp=f"{stat.st_size}-{stat.st_mtime_ns}",
        modified=datetime.fromtimestamp(stat.st_mtime, UTC),
        partition=partition(path.as_posix(), template) if template else None,
    )


def partition(location: str, template: str) -> str | None:
    """The text that stands where the template's placeholders are (several are joined by `/`), None when it does not fit."""
    parts = re.split(r"\{\w+\}", template)
    pattern = "([^/]+)".join(re.escape(p) for p in parts)
    found = re.search(rf"(?:^|/){pattern}(?:\.gz)?$", location)
    return "/".join(found.groups()) if found else None
