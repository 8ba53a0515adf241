"""Which deliveries are still to be taken: identity by content, states, and what a second arrival of a known path means.

Pure but for the store's answers and the digests of new files. Next: `pins.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lakehouse.declare.product import InputPort, Product
from lakehouse.errors import BatchRefused, WrongUse
from lakehouse.sources import Delivery, Source
from lakehouse.store import Arrival, Batch, Publication, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A batch that is to be taken now, with its files. `refusal` says why it cannot be taken as it is."""

    batch: Batch
    deliveries: tuple[Delivery, ...]
    arrivals: tuple[Arrival, ...]
    refusal: BatchRefused | None = None
    restates: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a run was asked to take: one batch by (the beginning of) its id, partitions from `first` to `last`, rejected ones again."""

    batch: str | None = None
    first: str | None = None
    last: str | None = None
    force: bool = False

    @property
    def names_partitions(self) -> bool:
        return self.first is not None or self.last is not None

    def covers(self, partition: str | None) -> bool:
        if not self.names_partitions:
            return True
        return partition is not None and (self.first or partition) <= partition <= (self.last or partition)


def batch_id(input_port: str, digests: Iterable[str]) -> str:
    """16 hex digits: the input port and the content."""
    return hashlib.sha256("\n".join([input_port, *sorted(digests)]).encode()).hexdigest()[:16]


def due(store: Store, product: Product, port: InputPort, source: Source, wanted: Wanted, *, attempt: str, now: datetime) -> list[Due]:
    """The batches of an input port that a run should take, in arrival order. `attempt` tells code and contract of this try."""
    if wanted.batch:
        return [_by_name(store, product, port, source, wanted.batch)]
    everything = source.deliveries()
    there = [d for d in everything if wanted.covers(d.partition)]
    if product.main.write == "overwrite":
        return _whole(store, product, port, source, there, wanted, attempt=attempt, now=now)
    fresh = [*_fresh(store, product, port, source, there)]
    if port.batch == "all":
        fresh = sorted({**dict(_left_over(store, product, port, everything, wanted)), **dict(fresh)}.items(), key=lambda f: f[0].name)
    groups = [fresh] if port.batch == "all" and fresh else [[f] for f in fresh]
    new = [_new(store, product, port, group, now) for group in groups]
    again = _again(store, product, port, there, wanted, attempt)
    ready = sorted([*again, *new], key=lambda d: d.deliveries[0].name)
    if port.order == "strict":
        held = _held(store, product, port, there, ready)
        ready = [d for d in ready if held is None or d.deliveries[0].name < held]
    return ready


def _left_over(
    store: Store, product: Product, port: InputPort, there: Sequence[Delivery], wanted: Wanted
) -> Iterable[tuple[Delivery, str]]:
    """Files of a batch that never landed and can no longer be tried as it was, since another of its files has changed or gone."""
    by_name = {d.name: d for d in there}
    for batch in (*store.batches(product.address, "pending"), *store.batches(product.address, "rejected")):
        arrivals = store.arrivals_of(product.address, batch.id) if batch.input_port == port.name else ()
        same = [(by_name[a.name], a.digest) for a in arrivals if a.name in by_name and by_name[a.name].stamp == a.stamp]
        if len(same) < len(arrivals):
            yield from ((d, digest) for d, digest in same if wanted.covers(d.partition))


def _held(store: Store, product: Product, port: InputPort, there: Sequence[Delivery], ready: Sequence[Due]) -> str | None:
    """The first delivery that was rejected, is not tried again now and was not replaced by another content: nothing may overtake it."""
    stamps = {d.name: d.stamp for d in there}
    tried = {d.batch.id for d in ready}
    waiting = [b for b in store.batches(product.address, "rejected") if b.input_port == port.name and b.id not in tried]
    arrivals = [a for b in waiting for a in store.arrivals_of(product.address, b.id)]
    return min((a.name for a in arrivals if stamps.get(a.name, a.stamp) == a.stamp), default=None)


def _whole(
    store: Store,
    product: Product,
    port: InputPort,
    source: Source,
    there: Sequence[Delivery],
    wanted: Wanted,
    *,
    attempt: str,
    now: datetime,
) -> list[Due]:
    """All that lies there as one batch, if some of it, the code or the contract changed. A file that has gone is no reason alone."""
    fresh = dict(_fresh(store, product, port, source, there))
    known = _latest(store, product, port, there)
    group = [(d, fresh.get(d) or _digest(source, d, known)) for d in there]
    before = store.batch(product.address, batch_id(port.name, [digest for _, digest in group]))
    undone = before is not None and before.state in ("pending", "rejected", "published")
    again = before is not None and undone and (before.state == "pending" or before.attempt != attempt or wanted.force)
    if not group or not (fresh or again):
        return []
    return [_new(store, product, port, group, now)]


def _fresh(store: Store, product: Product, port: InputPort, source: Source, there: Sequence[Delivery]) -> Iterable[tuple[Delivery, str]]:
    """Deliveries whose content was never seen, each once; where rows can be replaced, also those that went back to an earlier content."""
    known = _latest(store, product, port, there)
    looked = [(d, source.digest(d)) for d in there if d.name not in known or known[d.name].stamp != d.stamp]
    arrivals = store.arrivals(product.address, port.name, digests=[digest for _, digest in looked])
    seen = {a.digest for a in arrivals}
    under = {(a.name, a.digest) for a in arrivals} if product.main.write != "append" else set()
    for delivery, digest in looked:
        went_back = (delivery.name, digest) in under and known[delivery.name].digest != digest
        if digest not in seen or went_back:
            seen.add(digest)
            yield delivery, digest


def _latest(store: Store, product: Product, port: InputPort, there: Sequence[Delivery]) -> dict[str, Arrival]:
    """What is known of each delivery's name: its newest arrival."""
    return {a.name: a for a in store.arrivals(product.address, port.name, names=[d.name for d in there])}


def _digest(source: Source, delivery: Delivery, known: Mapping[str, Arrival]) -> str:
    before = known.get(delivery.name)
    return before.digest if before and before.stamp == delivery.stamp else source.digest(delivery)


def _new(store: Store, product: Product, port: InputPort, group: Sequence[tuple[Delivery, str]], now: datetime) -> Due:
    id = batch_id(port.name, [digest for _, digest in group])
    first, last = group[0][0], group[-1][0]
    name = first.name if len(group) == 1 else f"{first.name} … {last.name} ({len(group)} files)"
    batch = pending(
        store, Batch(id=id, product=product.address, input_port=port.name, name=name, partition=first.partition, state="pending", at=now)
    )
    arrivals = tuple(Arrival(name=d.name, location=d.location, stamp=d.stamp, digest=g, batch=id) for d, g in group)
    return _due(store, product, port, batch, [d for d, _ in group], arrivals)


def pending(store: Store, batch: Batch) -> Batch:
    """The batch, to be taken: with what it published before, and what an earlier try staged, which goes when this one is settled."""
    before = store.batch(batch.product, batch.id)
    return replace(before, name=batch.name, partition=batch.partition, state="pending", at=batch.at) if before else batch


def standing(store: Store, batch: Batch) -> Batch:
    """The batch as it is shown: one whose last try was rejected stands as it was published before, and that try counts as made."""
    if not batch.publication or batch.state == "published":
        return batch
    shown = told(store.publications(batch.product)).get(batch.id)
    return replace(shown, attempt=batch.attempt) if shown and shown.state == "published" else batch


def told(publications: Sequence[Publication]) -> dict[str, Batch]:
    """Batches by id, each as the newest of `publications` (newest first) that names it tells; withdrawn ones tell nothing any more."""
    return {b.id: b for p in reversed(publications) if not p.withdrawn for b in p.batches}


def _due(store: Store, product: Product, port: InputPort, batch: Batch, deliveries: Sequence[Delivery], arrivals: Sequence[Arrival]) -> Due:
    """The batch with what its paths say: whether it restates, and whether an append has to refuse it, now as at every later try."""
    before = _published_before(store, product, port, deliveries)
    return Due(
        batch=batch,
        deliveries=tuple(deliveries),
        arrivals=tuple(arrivals),
        refusal=_refusal(product, before) if before and product.main.write == "append" else None,
        restates=before is not None,
    )


def _published_before(store: Store, product: Product, port: InputPort, deliveries: Sequence[Delivery]) -> tuple[Delivery, Batch] | None:
    """A delivery whose path was published before, and the batch that did."""
    known = store.arrivals(product.address, port.name, names=[d.name for d in deliveries])
    by_name = {d.name: d for d in deliveries}
    for arrival in known:
        batch = store.batch(product.address, arrival.batch)
        if batch and batch.state == "published":
            return by_name[arrival.name], batch
    return None


def _refusal(product: Product, before: tuple[Delivery, Batch]) -> BatchRefused:
    """An append cannot take back rows: new content under a path that was published is refused, with the way out."""
    delivery, batch = before
    return BatchRefused(
        f"{delivery.name} was published with other content (batch {batch.id}), and {product.address} is append-only",
        place=delivery.location,
        hint=f"deliver it under a new name, mesh rollback {product.address} to before it, or declare write: overwrite_partitions",
    )


def _again(store: Store, product: Product, port: InputPort, there: Sequence[Delivery], wanted: Wanted, attempt: str) -> list[Due]:
    """Batches that are known but not done: interrupted ones, rejected ones whose code or contract has changed, partitions by force."""
    by_name = {d.name: d for d in there}
    open_batches = [*store.batches(product.address, "pending", "rejected")]
    if wanted.force and wanted.names_partitions and product.main.write == "overwrite_partitions":
        open_batches += store.batches(product.address, "published")
    found = []
    for batch in open_batches:
        arrivals = store.arrivals_of(product.address, batch.id)
        same = [by_name[a.name] for a in arrivals if a.name in by_name and by_name[a.name].stamp == a.stamp]
        retry = batch.state == "pending" or batch.attempt != attempt or wanted.force
        if batch.input_port == port.name and arrivals and len(same) == len(arrivals) and retry:
            found.append(_due(store, product, port, batch, same, arrivals))
    return found


def _by_name(store: Store, product: Product, port: InputPort, source: Source, id: str) -> Due:
    """One batch by the beginning of its id, also a discarded or withdrawn one; a published append is never taken twice."""
    batch = find(store, product, id)
    if batch.state == "published" and product.main.write == "append":
        raise BatchRefused(f"batch {batch.id} ({batch.name}) is published", hint=f"mesh rollback {product.address} takes it back first")
    arrivals = store.arrivals_of(product.address, batch.id)
    there = {d.name: d for d in source.deliveries()}
    missing = [a.name for a in arrivals if a.name not in there]
    if missing or not arrivals:
        raise BatchRefused(f"batch {batch.id}: {', '.join(missing) or batch.name} is no longer there", hint="deliver it again")
    other = [a.name for a in arrivals if there[a.name].stamp != a.stamp and source.digest(there[a.name]) != a.digest]
    if other:
        raise BatchRefused(f"batch {batch.id}: {', '.join(other)} has other content now", hint="what lies there is a batch of its own")
    return _due(store, product, port, replace(batch, state="pending"), [there[a.name] for a in arrivals], arrivals)


def find(store: Store, product: Product, id: str) -> Batch:
    """The batch whose id begins with `id`, or WrongUse."""
    matching = [b for b in store.batches(product.address) if b.id.startswith(id)]
    if len(matching) != 1:
        raise WrongUse(f"{product.address} has {len(matching) or 'no'} batches {id!r}", hint=f"mesh batches {product.address} lists them")
    return matching[0]
