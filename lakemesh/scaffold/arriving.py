"""What does `--from` name: a file that is replaced, or a folder or glob that goes on filling?

Next: `product.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lakehouse.address import Address
from lakehouse.declare.product import Format
from lakehouse.errors import WrongUse

_SUFFIXES: dict[Format, tuple[str, ...]] = {
    "csv": (".csv", ".csv.gz"),
    "jsonl": (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"),
    "parquet": (".parquet",),
}
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arriving:
    """Files that are there now, and the path under which they go on arriving, as the declaration has it."""

    files: tuple[Path, ...]
    path: str
    single: bool


def later(address: Address) -> Arriving:
    """Nothing is there yet: CSV files will arrive in the product's own folder below `landing/`."""
    return Arriving(files=(), path=f"landing/{address}", single=False)


def find(text: str, root: Path) -> Arriving:
    """Look at `text` from the working directory; WrongUse when no file of a known format is there."""
    path = Path(text).expanduser().absolute()
    if _WILD.search(text):
        anchor = Path(path.anchor)
        found = sorted(p for p in anchor.glob(str(path.relative_to(anchor))) if p.is_file())
    else:
        found = _of_one_format(path) if path.is_dir() else [path] * path.is_file()
    if not found:
        raise WrongUse(f"there are no CSV, JSON lines or Parquet files at {text}", hint="--from takes a file, a folder or a glob in quotes")
    return Arriving(files=tuple(found), path=_declared(path, root), single=path.is_file())


def _of_one_format(folder: Path) -> list[Path]:
    """A folder's files, not deeper; of one format, because a port reads one."""
    by_format = {form: sorted(p for p in folder.iterdir() if p.name.endswith(ends) and p.is_file()) for form, ends in _SUFFIXES.items()}
    found = {form: files for form, files in by_format.items() if files}
    if len(found) > 1:
        raise WrongUse(
            f"{folder} holds {' and '.join(found)} files", hint=f"name one kind by a glob: '{folder}/*{_SUFFIXES[min(found)][0]}'"
        )
    return next(iter(found.values()), [])


def _declared(path: Path, root: Path) -> str:
    """Relative to the mesh's root where it lies below it, so that the mesh can be moved."""
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return str(path)
