"""The port `sql`: a consumer's query over ports by their addresses.

Three fences, one behind the other: DuckDB's own parser says what the text is, and only a query over ports, values and its own
subqueries is admitted; it runs in a DuckDB of its own that holds nothing but views of what the decision permits; and that DuckDB
can open no file but theirs and change no setting. What it computes is bounded by the settings' memory, not yet by time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Self

import duckdb

from lakehouse.access import Principal
from lakehouse.address import Address
from lakehouse.damage import REPAIR
from lakehouse.errors import Damaged, WrongUse
from lakehouse.mesh import Mesh
from lakehouse.pins import kept, pinned
from lakehouse.ports.admission import admit, told
from lakehouse.read import decision_on, files_of, relation_of, state_at
from lakehouse.scan import local_path, paths
from lakehouse.settings import Settings
from lakehouse.store import PortState
from lakehouse.types import literal, quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A query that is ready to be read. Its files are kept until it is closed."""

    relation: duckdb.DuckDBPyRelation
    sql: str
    files: tuple[str, ...]
    _connection: duckdb.DuckDBPyConnection
    _held: ExitStack

    @property
    def columns(self) -> list[str]:
        return list(self.relation.columns)

    def rows(self, chunk: int = 10_000) -> Iterator[list[tuple[object, ...]]]:
        """The rows as Python values, at most `chunk` at once."""
        with told(self.files):
            self._connection.execute(self.sql)
            while rows := self._connection.fetchmany(chunk):
                yield rows

    def close(self) -> None:
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a query sees of a port: a table expression, and the files that it reads."""

    relation: str
    files: tuple[str, ...]


Show = Callable[[Sequence[Address], ExitStack], Mapping[Address, Shown]]
"""Given the ports that a query names, what it sees of them; the stack holds what must live as long as the answer."""


def query(
    mesh: Mesh, principal: Principal, sql: str, *, run_id: str, purpose: str | None = None, as_of: datetime | str | None = None
) -> Answer:
    """A query over ports as they are, or as they were at a moment or publication; WrongUse for what is no query."""

    def show(ports: Sequence[Address], held: ExitStack) -> dict[Address, Shown]:
        return {s.address: _shown(mesh, principal, s, purpose) for s in _states(mesh, ports, as_of, held, run_id)}

    return ask(mesh, sql, show)


def ask(mesh: Mesh, sql: str, show: Show) -> Answer:
    """Admit `sql`, let it see what `show` gives, and hand its rows back unread."""
    with ExitStack() as held:
        connection = held.enter_context(duckdb.connect())
        shown = show(admit(connection, sql), held)
        files = tuple(f for s in shown.values() for f in s.files)
        _fence(connection, mesh.settings, files)
        _create_views(connection, shown)
        with told(files):
            relation = connection.sql(sql)
        return Answer(relation=relation, sql=sql, files=files, _connection=connection, _held=held.pop_all())


def _shown(mesh: Mesh, principal: Principal, state: PortState, purpose: str | None) -> Shown:
    decision = decision_on(mesh, principal, state, purpose=purpose)
    return Shown(relation=relation_of(mesh, state, decision), files=local_files(mesh, state))


def local_files(mesh: Mesh, state: PortState) -> tuple[str, ...]:
    """The data files of a state, as paths."""
    return tuple(map(local_path, paths(files_of(mesh, state))))


def moment(text: str) -> datetime | str:
    """What `--as-of` means: an ISO time (UTC where it names no zone), the end of a day, or the beginning of a publication's id."""
    try:
        if "-" not in text:
            return text
        if "T" not in text and " " not in text:
            return datetime.combine(date.fromisoformat(text), time.max, UTC)
        at = datetime.fromisoformat(text)
    except ValueError:
        raise WrongUse(f"{text!r} is no time and no publication", hint="write 2013-06-30, 2013-06-30T12:00:00Z or an id") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


# what the query may see


def _states(mesh: Mesh, ports: Sequence[Address], as_of: datetime | str | None, held: ExitStack, run_id: str) -> list[PortState]:
    """The ports' states at one moment; they stay on disk while they are `held`."""
    if as_of is None:
        pins = held.enter_context(pinned(mesh, {a: mesh.declarations.producer(a).address for a in ports}, run_id))
        return [pins[a].state if a in pins else state_at(mesh, a)[1] for a in ports]
    found = [state_at(mesh, a, _at(mesh, a, as_of)) for a in ports]
    held.enter_context(kept(mesh, {publication.id for publication, _ in found}, run_id))
    return [state for _, state in found]


def _at(mesh: Mesh, port: Address, as_of: datetime | str) -> datetime | str:
    """A publication's id means its product; for other products it means the moment at which it was published."""
    if isinstance(as_of, datetime):
        return as_of
    found = [p for product in mesh.declarations.products for p in mesh.store.publications(product) if p.id.startswith(as_of)]
    if len(found) != 1:
        raise WrongUse(f"there are {len(found) or 'no'} publications {as_of!r}", hint=f"mesh log {port} lists its publications")
    return as_of if found[0].product == mesh.declarations.producer(port).address else found[0].at


def _fence(connection: duckdb.DuckDBPyConnection, settings: Settings, files: Sequence[str]) -> None:
    """Limits first, then no way out of them."""
    engine, spill = settings.engine, settings.home / "spill"
    connection.execute(f"set memory_limit = {literal(engine.memory_limit)}; set threads = {engine.threads}")
    connection.execute(f"set temp_directory = {literal(str(spill))}; set TimeZone = 'UTC'; set enable_progress_bar = false")
    connection.execute("set python_enable_replacements = false; set disabled_optimizers = 'type_pushdown'")
    connection.execute(f"set allowed_paths = [{', '.join(literal(f) for f in files)}]")
    connection.execute("set enable_external_access = false; set lock_configuration = true")


def _create_views(connection: duckdb.DuckDBPyConnection, shown: Mapping[Address, Shown]) -> None:
    for domain in sorted({a.domain for a in shown}):
        connection.execute(f"create schema {quote(domain)}")
    for address, port in shown.items():
        with _readable(address, port):
            connection.execute(f"create view {quote(address.domain)}.{quote(address.port)} as select * from {port.relation}")


@contextmanager
def _readable(address: Address, port: Shown) -> Iterator[None]:
    """Say that a port's files are at fault, and which: nothing else can be, before a query is asked."""
    try:
        yield
    except duckdb.Error as error:
        missing = next((file for file in port.files if not Path(file).is_file()), "")
        what = "a data file is missing" if missing else str(error).splitlines()[0]
        raise Damaged(f"{address} cannot be read: {what}", place=missing, hint=REPAIR) from error
