"""What lies at a source's path, and how its bytes are reached: local files in place, all others through fsspec.

Files that are hidden or unfinished (`.tmp`, `.part`) have not arrived yet. Next: `rows.py`.
"""

from __future__ import annotations

import gzip
import io
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from lakehouse.declare.product import FileSource
from lakehouse.errors import Unavailable, WrongUse
from lakehouse.sources import Delivery
from lakehouse.sources.unreadable import CAUSES, refused

_SUFFIXES = {"csv": (".csv", ".csv.gz"), "jsonl": (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"), "parquet": (".parquet",)}
_UNFINISHED = (".tmp", ".part")
_WILD = re.compile(r"[*?\[]")


def arrivals(source: FileSource, root: Path, template: str | None) -> Sequence[Delivery]:
    """The deliveries at `source.path`, by name. `template` says where in a location its partition is written."""
    found = _remote(source, template) if "://" in source.path else _local(source, root, template)
    return tuple(sorted(found, key=lambda delivery: delivery.name))


@contextmanager
def binary(delivery: Delivery) -> Iterator[IO[bytes]]:
    """A delivery's bytes; BatchRefused when they cannot be read."""
    try:
        with _open(delivery.location) as file:
            yield file
    except CAUSES as error:
        raise refused(delivery.name, error) from None


def local(delivery: Delivery, encoding: str, folder: Callable[[], Path]) -> Path:
    """A local path of the delivery: its own, or that of a copy made in `folder()`, in UTF-8 if it is a text in another encoding."""
    if "://" not in delivery.location and encoding == "utf-8":
        return Path(delivery.location)
    name = PurePosixPath(delivery.location).name
    with binary(delivery) as there:
        if encoding == "utf-8":
            return _copied(there, folder() / name)
        plain = cast("IO[bytes]", gzip.GzipFile(fileobj=there)) if name.endswith(".gz") else there
        return _recoded(plain, encoding, folder() / name.removesuffix(".gz"))


def _copied(there: IO[bytes], copy: Path) -> Path:
    with copy.open("xb") as here:
        shutil.copyfileobj(there, here)
    return copy


def _recoded(there: IO[bytes], encoding: str, copy: Path) -> Path:
    with io.TextIOWrapper(there, encoding, newline="") as text, copy.open("x", encoding="utf-8", newline="") as here:
        shutil.copyfileobj(text, here)
    return copy


def partition(location: str, template: str) -> str | None:
    """The text where the template's placeholder stands (several are joined by `/`), None when the location does not fit."""
    pattern = "([^/]+)".join(re.escape(part) for part in re.split(r"\{\w+\}", template))
    found = re.search(rf"(?:^|/){pattern}(?:\.gz)?$", location)
    return "/".join(found.groups()) if found else None


def _open(location: str) -> IO[bytes]:
    if "://" not in location:
        return Path(location).open("rb")
    import fsspec

    return cast("IO[bytes]", fsspec.open(location, "rb").open())


def _local(source: FileSource, root: Path, template: str | None) -> Iterator[Delivery]:
    path = root / source.path
    for file, name in _local_files(path, source.format):
        if file.is_file() and _arrived(name):
            stat = file.stat()
            yield Delivery(
                name=name,
                location=str(file),
                size=stat.st_size,
                stamp=f"{stat.st_size}-{stat.st_mtime_ns}",
                modified=datetime.fromtimestamp(stat.st_mtime, UTC),
                partition=partition(file.as_posix(), template) if template else None,
            )


def _local_files(path: Path, form: str) -> Iterator[tuple[Path, str]]:
    if path.is_dir():
        yield from ((file, file.name) for file in path.iterdir() if file.name.endswith(_SUFFIXES[form]))
    elif _WILD.search(str(path)) and not path.exists():
        base = Path(_fixed(str(path)))
        yield from ((file, file.relative_to(base).as_posix()) for file in base.glob(path.relative_to(base).as_posix()))
    else:
        yield path, path.name


def _remote(source: FileSource, template: str | None) -> Iterator[Delivery]:
    files, path = _file_system(source.path)
    if _WILD.search(path):
        base, found = _fixed(path), files.glob(path, detail=True)
    elif files.isdir(path):
        base = path.rstrip("/")
        found = {name: info for name, info in files.find(path, maxdepth=1, detail=True).items() if name.endswith(_SUFFIXES[source.format])}
    else:
        base, found = str(PurePosixPath(path).parent), {path: files.info(path)} if files.exists(path) else {}
    for address, info in found.items():
        name = str(address).removeprefix(base).lstrip("/")
        if info.get("type") == "file" and _arrived(name):
            yield _remote_delivery(name, str(files.unstrip_protocol(address)), info, template)


def _file_system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it; WrongUse or Unavailable where there is none."""
    import fsspec

    try:
        files, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise Unavailable(f"{address}: {error}", hint="install what it names") from None
    except ValueError as error:
        raise WrongUse(f"{address}: {error}", hint="fsspec lists the protocols that it knows: s3://, gs://, http://, ...") from None
    return files, path


def _remote_delivery(name: str, location: str, info: Mapping[str, object], template: str | None) -> Delivery:
    mark = next((info[key] for key in ("ETag", "etag", "checksum", "mtime", "LastModified", "created") if info.get(key)), "")
    moment = next((info[key] for key in ("LastModified", "mtime", "created") if info.get(key)), None)
    return Delivery(
        name=name,
        location=location,
        size=int(str(info.get("size") or 0)),
        stamp=f"{info.get('size')}-{mark}",
        modified=_moment(moment),
        partition=partition(location, template) if template else None,
    )


def _moment(value: object) -> datetime:
    """A file system's word for when a file changed; those that do not know are given the beginning of time."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromtimestamp(value if isinstance(value, int | float) else 0, UTC)


def _fixed(pattern: str) -> str:
    """The folders before the first wildcard."""
    parts = PurePosixPath(pattern).parts
    first = next(n for n, part in enumerate(parts) if _WILD.search(part))
    return str(PurePosixPath(*parts[:first]))


def _arrived(name: str) -> bool:
    return not name.endswith(_UNFINISHED) and not any(part.startswith(".") for part in PurePosixPath(name).parts)
