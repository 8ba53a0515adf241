"""What the platform asks of the store, a method each. Methods that take a connection take part in the caller's transaction.

Next: `rows.py` turns rows into records.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, bindparam, delete, func, inspect, literal, select, update
from sqlalchemy.dialects.sqlite import Insert, insert

from lakehouse.address import Address
from lakehouse.store import rows, tables
from lakehouse.store.engine import reading, writing
from lakehouse.store.records import Arrival, Batch, Lease, Pin, Publication, State


def _replacing(new: Insert, *key: str) -> Insert:
    """Insert a row, or replace the one with its key."""
    return new.on_conflict_do_update(index_elements=key, set_={c.name: new.excluded[c.name] for c in new.table.columns})


# made once: putting a statement together takes longer than executing it
_ADD_PUBLICATION = insert(tables.publications)
_ADD_STATES = insert(tables.port_states)
_ADD_LEASE = insert(tables.leases)
_ADD_REPORT = insert(tables.reports)
_SAY = insert(tables.outbox)
_KEEP_CONTRACT = insert(tables.contracts).on_conflict_do_nothing()
_PUT_BATCH = _replacing(insert(tables.batches), "product", "id")
_NEXT_ARRIVAL = select(func.coalesce(func.max(tables.arrivals.c.seq), 0) + 1).scalar_subquery()
_PUT_ARRIVAL = _replacing(insert(tables.arrivals).values(seq=_NEXT_ARRIVAL), "product", "input_port", "name", "digest")
_PUT_FILE = _replacing(insert(tables.batch_files), "product", "batch", "name")
_FILES = (
    select(tables.arrivals)
    .join(
        tables.batch_files,
        and_(
            tables.batch_files.c.product == tables.arrivals.c.product,
            tables.batch_files.c.name == tables.arrivals.c.name,
            tables.batch_files.c.digest == tables.arrivals.c.digest,
        ),
    )
    .join(tables.batches, and_(tables.batches.c.product == tables.batch_files.c.product, tables.batches.c.id == tables.batch_files.c.batch))
    .where(tables.batch_files.c.product == bindparam("product"), tables.arrivals.c.input_port == tables.batches.c.input_port)
    .with_only_columns(
        tables.arrivals.c.name, tables.arrivals.c.location, tables.arrivals.c.stamp, tables.arrivals.c.digest, tables.batch_files.c.batch
    )
)
_FILES_OF = _FILES.where(tables.batch_files.c.batch == bindparam("batch")).order_by(tables.batch_files.c.name)
_FILES_STILL_OF = _FILES_OF.where(tables.arrivals.c.batch == tables.batch_files.c.batch)
_FILES_PUBLISHED = _FILES.where(
    tables.arrivals.c.input_port == bindparam("input_port"),
    tables.batches.c.state == "published",
    tables.batch_files.c.name.in_(bindparam("values", expanding=True)),
).order_by(tables.batches.c.at)
_NEWEST_FIRST = (
    select(tables.publications).where(tables.publications.c.product == bindparam("product")).order_by(tables.publications.c.seq.desc())
)
_CURRENT = _NEWEST_FIRST.limit(1)
_STATES = (
    select(tables.port_states)
    .where(tables.port_states.c.publication.in_(bindparam("publications", expanding=True)))
    .order_by(tables.port_states.c.publication, tables.port_states.c.address)
)
_BATCH = select(tables.batches).where(tables.batches.c.product == bindparam("product"), tables.batches.c.id == bindparam("id"))
_ARRIVALS = select(tables.arrivals).where(
    tables.arrivals.c.product == bindparam("product"), tables.arrivals.c.input_port == bindparam("input_port")
)
_ARRIVALS_NAMED = _ARRIVALS.where(tables.arrivals.c.name.in_(bindparam("values", expanding=True)))
_ARRIVALS_WITH = _ARRIVALS.where(tables.arrivals.c.digest.in_(bindparam("values", expanding=True)))
_WRITER = select(tables.leases.c.run_id).where(tables.leases.c.kind == "product", tables.leases.c.subject == bindparam("product"))
_END_LEASE = delete(tables.leases).where(tables.leases.c.id == bindparam("lease"))


class Store:
    """The mesh store on an engine; makes its tables when they are missing."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        known = inspect(engine).has_table(tables.batch_files.name)
        tables.metadata.create_all(engine.execution_options(write=True))
        if not known:
            with self.writing() as con:  # a store that was made before knows of each file the last batch only
                of = tables.batch_files.c
                columns = [of.product, of.batch, of.name, of.digest]
                last = select(*(tables.arrivals.c[c.name] for c in columns))
                con.execute(insert(tables.batch_files).from_select([c.name for c in columns], last))

    def reading(self) -> AbstractContextManager[Connection]:
        return reading(self.engine)

    def writing(self) -> AbstractContextManager[Connection]:
        return writing(self.engine)

    # publications

    def current(self, product: Address) -> Publication | None:
        """The newest publication of a product, or None before its first."""
        with self.reading() as con:
            return self.current_in(con, product)

    def current_in(self, con: Connection, product: Address) -> Publication | None:
        found = con.execute(_CURRENT, {"product": str(product)}).first()
        return self._publication(con, found) if found else None

    def publications(self, product: Address, *, limit: int | None = None) -> tuple[Publication, ...]:
        """Newest first."""
        with self.reading() as con:
            return self._publications(con, con.execute(_NEWEST_FIRST.limit(limit), {"product": str(product)}).all())

    def publication(self, id: str) -> Publication | None:
        with self.reading() as con:
            found = con.execute(select(tables.publications).where(tables.publications.c.id == id)).first()
            return self._publication(con, found) if found else None

    def as_of(self, product: Address, at: datetime) -> Publication | None:
        """What the product showed at `at`."""
        with self.reading() as con:
            listed = (
                select(tables.publications)
                .where(tables.publications.c.product == str(product), tables.publications.c.at <= rows.millis(at))
                .order_by(tables.publications.c.seq.desc())
                .limit(1)
            )
            found = con.execute(listed).first()
            return self._publication(con, found) if found else None

    def _publication(self, con: Connection, row: Row[Any]) -> Publication:
        return self._publications(con, [row])[0]

    def _publications(self, con: Connection, found: Sequence[Row[Any]]) -> tuple[Publication, ...]:
        """Publications with their ports' states, asked for by the hundred."""
        states: dict[str, list[Row[Any]]] = {row.id: [] for row in found}
        ids = list(states)
        for start in range(0, len(ids), 500):
            for state in con.execute(_STATES, {"publications": ids[start : start + 500]}):
                states[state.publication].append(state)
        return tuple(rows.publication(row, states[row.id]) for row in found)

    def record(self, con: Connection, publication: Publication) -> None:
        """Write a publication and its ports' states."""
        con.execute(_ADD_PUBLICATION, rows.from_publication(publication))
        con.execute(_ADD_STATES, [rows.from_state(publication.id, s) for s in publication.ports])

    def withdraw(self, con: Connection, publications: Sequence[str]) -> None:
        """Mark publications as withdrawn by a rollback."""
        if not publications:
            return
        con.execute(update(tables.publications).where(tables.publications.c.id.in_(publications)).values(withdrawn=1))

    def expire(self, con: Connection, publications: Sequence[str]) -> None:
        """Say that publications can no longer be read by `as_of`."""
        con.execute(update(tables.publications).where(tables.publications.c.id.in_(publications)).values(expired=1))

    def expired(self, con: Connection, publications: Sequence[str]) -> list[str]:
        """Which of these publications can no longer be read."""
        of = tables.publications.c
        return list(con.execute(select(of.id).where(of.id.in_(publications), of.expired == 1)).scalars())

    def made_from(self, con: Connection, products: Sequence[Address]) -> set[str]:
        """What the publications of these products that can be gone back to were made from."""
        of = tables.publications.c
        standing = and_(of.product.in_(list(map(str, products))), of.expired == 0, of.withdrawn == 0)
        return {p for row in con.execute(select(of.inputs).where(standing)) for p in json.loads(row.inputs).values()}

    def unexpired(self, product: Address) -> tuple[Publication, ...]:
        """The publications whose files must be there, newest first."""
        with self.reading() as con:
            listed = select(tables.publications).where(tables.publications.c.product == str(product), tables.publications.c.expired == 0)
            found = con.execute(listed.order_by(tables.publications.c.seq.desc())).all()
            return self._publications(con, found)

    # contracts

    def keep_contract(self, con: Connection, fingerprint: str, address: Address, body: str) -> None:
        con.execute(_KEEP_CONTRACT, {"fingerprint": fingerprint, "address": str(address), "body": body})

    def contract(self, fingerprint: str) -> str | None:
        """The JSON of a contract that some publication was made under."""
        with self.reading() as con:
            return con.execute(select(tables.contracts.c.body).where(tables.contracts.c.fingerprint == fingerprint)).scalar()

    # batches

    def batches(self, product: Address, *states: State) -> tuple[Batch, ...]:
        """The deliveries known (in one of `states`, if there are any), in the order in which they were first seen."""
        with self.reading() as con:
            listed = select(tables.batches).where(tables.batches.c.product == str(product))
            if states:
                listed = listed.where(tables.batches.c.state.in_(states))
            return tuple(rows.batch(r) for r in con.execute(listed.order_by(tables.batches.c.at, tables.batches.c.name)).all())

    def batch(self, product: Address, id: str) -> Batch | None:
        with self.reading() as con:
            found = con.execute(_BATCH, {"product": str(product), "id": id}).first()
            return rows.batch(found) if found else None

    def put_batch(self, con: Connection, batch: Batch) -> None:
        """Insert a batch, or replace what is known of it."""
        con.execute(_PUT_BATCH, rows.from_batch(batch))

    def arrivals(self, product: Address, input_port: str, *, names: Sequence[str] = (), digests: Sequence[str] = ()) -> tuple[Arrival, ...]:
        """What is known of files by their names or their content, in the order in which it was last seen."""
        port = {"product": str(product), "input_port": input_port}
        with self.reading() as con:
            found: list[Row[Any]] = []
            for listed, values in ((_ARRIVALS_NAMED, names), (_ARRIVALS_WITH, digests)):
                for start in range(0, len(values), 500):
                    found += con.execute(listed, {**port, "values": values[start : start + 500]}).all()
            in_order = sorted(found, key=lambda row: row.seq)
            return tuple(Arrival(name=r.name, location=r.location, stamp=r.stamp, digest=r.digest, batch=r.batch) for r in in_order)

    def arrivals_of(self, product: Address, batch: str, *, still: bool = False) -> tuple[Arrival, ...]:
        """The files of a batch, in name order; `still` those only that came with no other batch since."""
        with self.reading() as con:
            found = con.execute(_FILES_STILL_OF if still else _FILES_OF, {"product": str(product), "batch": batch}).all()
            return tuple(Arrival(**row._mapping) for row in found)

    def published_as(self, product: Address, input_port: str, names: Sequence[str]) -> tuple[Arrival, ...]:
        """The files of published batches that have these names, the oldest batch's first."""
        port = {"product": str(product), "input_port": input_port}
        with self.reading() as con:
            asked = (con.execute(_FILES_PUBLISHED, {**port, "values": names[n : n + 500]}) for n in range(0, len(names), 500))
            return tuple(Arrival(**row._mapping) for found in asked for row in found.all())

    def put_arrival(self, con: Connection, product: Address, input_port: str, arrival: Arrival) -> None:
        """Note that a file came with a batch. It may have come with others before."""
        file = {**asdict(arrival), "product": str(product)}
        con.execute(_PUT_ARRIVAL, {**file, "input_port": input_port})
        con.execute(_PUT_FILE, {key: file[key] for key in ("product", "batch", "name", "digest")})

    # pins and leases

    def pin(self, con: Connection, product: Address, address: Address) -> Pin | None:
        """The current state of a producer's port, inside the caller's one read."""
        current = self.current_in(con, product)
        if current is None or all(s.address != address for s in current.ports):
            return None
        return Pin(product=product, publication=current.id, state=current.port(address))

    def put_lease(self, con: Connection, lease: Lease) -> None:
        """Write a new lease."""
        con.execute(_ADD_LEASE, rows.from_lease(lease))

    def holds(self, con: Connection, product: Address, run_id: str) -> bool:
        """Whether the run is still the product's one writer."""
        return con.execute(_WRITER, {"product": str(product)}).scalar() == run_id

    def renew_lease(self, con: Connection, id: str, expires: datetime) -> None:
        """Move a lease's expiry; one that was ended stays ended."""
        con.execute(update(tables.leases).where(tables.leases.c.id == id).values(expires=expires.timestamp()))

    def leases(self, con: Connection, subject: Address | None = None) -> tuple[Lease, ...]:
        listed = select(tables.leases)
        if subject:
            listed = listed.where(tables.leases.c.subject == str(subject))
        return tuple(rows.lease(r) for r in con.execute(listed).all())

    def end_lease(self, con: Connection, id: str) -> None:
        con.execute(_END_LEASE, {"lease": id})

    # reports

    def keep_report(
        self, con: Connection, *, product: Address, run_id: str, batch: str | None, publication: str | None, at: datetime, body: str
    ) -> None:
        report = {
            "product": str(product),
            "run_id": run_id,
            "batch": batch,
            "publication": publication,
            "at": rows.millis(at),
            "body": body,
        }
        con.execute(_ADD_REPORT, report)

    def report(self, product: Address, *, publication: str | None = None, batch: str | None = None) -> str | None:
        """The newest gate report, as JSON: of a publication, of a batch, or of the product."""
        with self.reading() as con:
            listed = select(tables.reports.c.body).where(tables.reports.c.product == str(product))
            if publication:
                listed = listed.where(tables.reports.c.publication == publication)
            if batch:
                listed = listed.where(tables.reports.c.batch == batch)
            return con.execute(listed.order_by(tables.reports.c.seq.desc()).limit(1)).scalar()

    # outbox

    def say(self, con: Connection, topic: str, key: str, body: object, at: datetime) -> None:
        """Put something to be told into the outbox; it leaves after the transaction, in order, at least once."""
        con.execute(_SAY, {"topic": topic, "key": key, "body": json.dumps(body), "at": rows.millis(at)})

    def waiting(self, topic: str, limit: int = 500) -> tuple[tuple[int, str, str], ...]:
        """Undelivered entries of a topic, oldest first: `(seq, key, body)`."""
        with self.reading() as con:
            mine = and_(tables.outbox.c.topic == topic, tables.outbox.c.delivered.is_(None))
            found = con.execute(
                select(tables.outbox.c.seq, tables.outbox.c.key, tables.outbox.c.body)
                .where(mine)
                .order_by(tables.outbox.c.seq)
                .limit(limit)
            )
            return tuple((r.seq, r.key, r.body) for r in found.all())

    def delivered(self, sequences: Sequence[int], at: datetime) -> None:
        with self.writing() as con:
            con.execute(update(tables.outbox).where(tables.outbox.c.seq.in_(sequences)).values(delivered=rows.millis(at)))

    def set_aside(self, sequence: int, reason: str) -> None:
        """Keep an entry that its receiver will never take, out of the way of those behind it."""
        entry, kept = tables.outbox.c, ("seq", "topic", "key", "body", "at")
        with self.writing() as con:
            refused = select(*(entry[name] for name in kept), literal(reason)).where(entry.seq == sequence)
            con.execute(insert(tables.refused).from_select([*kept, "reason"], refused))
            con.execute(delete(tables.outbox).where(entry.seq == sequence))

    def refused(self, topic: str) -> tuple[tuple[str, str, str], ...]:
        """Entries of a topic that were set aside, oldest first: `(key, body, reason)`."""
        with self.reading() as con:
            aside = tables.refused.c
            listed = select(aside.key, aside.body, aside.reason).where(aside.topic == topic).order_by(aside.seq)
            return tuple((r.key, r.body, r.reason) for r in con.execute(listed).all())

    def forget(self, before: datetime) -> int:
        """Drop what was delivered before `before`; say how many entries went."""
        with self.writing() as con:
            return con.execute(delete(tables.outbox).where(tables.outbox.c.delivered < rows.millis(before))).rowcount
