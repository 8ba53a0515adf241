"""What is a data set called, so that every engine's events meet in one node?

Spark's listener names an Iceberg table by its location and adds the catalog's name for it as a symlink; so do we.
Next: `facets.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from lakehouse.address import Address

_SAME_STORE = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}


@dataclass(frozen=True, slots=True)
class Name:
    """OpenLineage's pair that identifies a data set."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The primary name, and the name in the catalog where there is one."""

    primary: Name
    symlink: Name | None = None


def identity(address: Address | None, location: str, catalog_uri: str) -> Identity:
    """The one identity of a port (or, without an address, of files): its location, and `domain.port` in the catalog."""
    symlink = Name(without_password(catalog_uri), str(address)) if address else None
    return Identity(primary=_located(location), symlink=symlink)


def without_password(uri: str) -> str:
    """A catalog's URI as it may be told to others."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _located(location: str) -> Name:
    scheme, separator, rest = location.partition("://")
    if not separator:
        return Name("file", _path(location.removeprefix("file:")))
    if scheme == "file":
        return Name("file", _path(rest))
    host, _, key = rest.partition("/")
    return Name(f"{_SAME_STORE.get(scheme, scheme)}://{host}", key.strip("/") or "/")


def _path(path: str) -> str:
    return path.rstrip("/") or "/"
