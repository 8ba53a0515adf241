"""Which deliveries are still to be taken: identity by content, states, and what a second arrival of a known path means.

Pure but for the store's answers and the digests of new files. Next: `pins.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lakehouse.declare.product import InputPort, Product
from lakehouse.errors import BatchRefused, WrongUse
from lakehouse.sources import Delivery, Source
from lakehouse.store import Arrival, Batch, Publication, Store
from lakehouse.store.records import State


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
    look = _Look(store, product, port, source, wanted, attempt, now)
    if wanted.batch:
        return look.by_name(wanted.batch)
    return look.whole() if product.main.write == "overwrite" else look.parts()


class _Look:
    """One look at an input port: what lies there, and what is known of it. A file is digested once, and only if it looks changed."""

    def __init__(
        self, store: Store, product: Product, port: InputPort, source: Source, wanted: Wanted, attempt: str, now: datetime
    ) -> None:
        self.store, self.product, self.port, self.source = store, product, port, source
        self.wanted, self.attempt, self.now = wanted, attempt, now
        self.there = source.deliveries()
        self.named = {d.name: d for d in self.there}
        arrivals = store.arrivals(product.address, port.name, names=list(self.named))
        self.latest = {a.name: a for a in arrivals}
        self._contents = {(a.name, a.stamp): a.digest for a in arrivals}

    def content(self, delivery: Delivery) -> str:
        """The digest of a delivery."""
        key = delivery.name, delivery.stamp
        if key not in self._contents:
            self._contents[key] = self.source.digest(delivery)
        return self._contents[key]

    def same(self, arrival: Arrival) -> Delivery | None:
        """The delivery that an arrival still is; None when it has gone, or has other content now."""
        found = self.named.get(arrival.name)
        return found if found and self.content(found) == arrival.digest else None

    def parts(self) -> list[Due]:
        """Each delivery that is new as a batch, or all of them as one; and what is to be tried again."""
        fresh = {d: digest for d, digest in self._fresh() if self.wanted.covers(d.partition)}
        if self.port.batch == "all":
            fresh = dict(self._left_over()) | fresh
        group = sorted(fresh.items(), key=lambda f: f[0].name)
        groups = [group] if self.port.batch == "all" and group else [[f] for f in group]
        ready = sorted([*self._again(), *map(self._new, groups)], key=lambda d: d.deliveries[0].name)
        held = self._held(ready) if self.port.order == "strict" else None
        return [d for d in ready if held is None or d.deliveries[0].name < held]

    def whole(self) -> list[Due]:
        """All that lies there as one batch, if some of it, the code or the contract changed. A file that has gone is no reason alone.

        Each content counts once. A partition that is named says what has to lie there: all of it is taken.
        """
        fresh = dict(self._fresh())
        contents = {self.content(d): d for d in reversed(self.there)}
        group = sorted(((d, digest) for digest, d in contents.items()), key=lambda f: f[0].name)
        if not any(self.wanted.covers(d.partition) for d in self.there):
            return []
        before = self.store.batch(self.product.address, batch_id(self.port.name, contents))
        if before is None:
            return [self._new(group)] if fresh or self._is_unpublished(group) else []
        undone = before.state in ("pending", "rejected", "published")
        again = undone and (before.state == "pending" or before.attempt != self.attempt or self.wanted.force)
        return [self._new(group)] if fresh or again else []

    def _is_unpublished(self, group: Sequence[tuple[Delivery, str]]) -> bool:
        """Whether a file came last with a batch that never landed, and part of which has gone."""
        batches = [self.store.batch(self.product.address, self.latest[d.name].batch) for d, _ in group if d.name in self.latest]
        return any(b is not None and b.state in ("pending", "rejected", "discarded") for b in batches)

    def by_name(self, id: str) -> list[Due]:
        """One batch by the beginning of its id, also a discarded or withdrawn one; a published append is never taken twice."""
        batch = find(self.store, self.product, id)
        if batch.input_port != self.port.name:
            return []
        if batch.state == "published" and self.product.main.write == "append":
            raise BatchRefused(
                f"batch {batch.id} ({batch.name}) is published", hint=f"mesh rollback {self.product.address} takes it back first"
            )
        arrivals = self.store.arrivals_of(self.product.address, batch.id)
        missing = [a.name for a in arrivals if a.name not in self.named]
        if missing or not arrivals:
            raise BatchRefused(f"batch {batch.id}: {', '.join(missing) or batch.name} is no longer there", hint="deliver it again")
        other = [a.name for a in arrivals if self.same(a) is None]
        if other:
            raise BatchRefused(f"batch {batch.id}: {', '.join(other)} has other content now", hint="what lies there is a batch of its own")
        return [self._due(replace(batch, state="pending"), arrivals)]

    def _fresh(self) -> Iterable[tuple[Delivery, str]]:
        """Deliveries whose content was never seen, each once; where rows can be replaced, also those that went back to an earlier one."""
        looked = [(d, self.content(d)) for d in self.there if d.name not in self.latest or self.latest[d.name].stamp != d.stamp]
        arrivals = self.store.arrivals(self.product.address, self.port.name, digests=[digest for _, digest in looked])
        seen = {a.digest for a in arrivals}
        under = {(a.name, a.digest) for a in arrivals} if self.product.main.write != "append" else set()
        for delivery, digest in looked:
            went_back = (delivery.name, digest) in under and self.latest[delivery.name].digest != digest
            if digest not in seen or went_back:
                seen.add(digest)
                yield delivery, digest

    def _left_over(self) -> Iterable[tuple[Delivery, str]]:
        """Files of a batch that never landed and can no longer be tried as it was, since another of its files has changed or gone."""
        for batch in self._known("pending", "rejected"):
            arrivals = self.store.arrivals_of(self.product.address, batch.id, still=True)
            same = [(d, a.digest) for a in arrivals if (d := self.same(a))]
            if len(same) < len(arrivals):
                yield from ((d, digest) for d, digest in same if self.wanted.covers(d.partition))

    def _again(self) -> list[Due]:
        """Batches that are known but not done: interrupted ones, rejected ones whose code or contract has changed, partitions by force."""
        by_force = self.wanted.force and self.wanted.names_partitions and self.product.main.write == "overwrite_partitions"
        found = []
        for batch in (*self._known("pending", "rejected"), *(self._known("published") if by_force else ())):
            arrivals = self.store.arrivals_of(self.product.address, batch.id, still=batch.state != "published")
            same = [d for a in arrivals if (d := self.same(a))]
            retry = batch.state == "pending" or batch.attempt != self.attempt or self.wanted.force
            if retry and arrivals and len(same) == len(arrivals) and any(self.wanted.covers(d.partition) for d in same):
                found.append(self._due(batch, arrivals))
        return found

    def _held(self, ready: Sequence[Due]) -> str | None:
        """The first delivery that was rejected, is not tried again now and was not replaced by another content: nothing may overtake it."""
        tried = {d.batch.id for d in ready}
        waiting = [b for b in self._known("rejected") if b.id not in tried]
        arrivals = [a for b in waiting for a in self.store.arrivals_of(self.product.address, b.id, still=True)]
        return min((a.name for a in arrivals if a.name not in self.named or self.same(a)), default=None)

    def _known(self, *states: State) -> list[Batch]:
        return [b for b in self.store.batches(self.product.address, *states) if b.input_port == self.port.name]

    def _new(self, group: Sequence[tuple[Delivery, str]]) -> Due:
        id = batch_id(self.port.name, [digest for _, digest in group])
        first, last = group[0][0], group[-1][0]
        name = first.name if len(group) == 1 else f"{first.name} … {last.name} ({len(group)} files)"
        batch = Batch(
            id=id,
            product=self.product.address,
            input_port=self.port.name,
            name=name,
            partition=first.partition,
            state="pending",
            at=self.now,
        )
        return self._due(pending(self.store, batch), [self._arrival(d, g, id) for d, g in group])

    def _arrival(self, delivery: Delivery, digest: str, batch: str) -> Arrival:
        return Arrival(name=delivery.name, location=delivery.location, stamp=delivery.stamp, digest=digest, batch=batch)

    def _due(self, batch: Batch, arrivals: Sequence[Arrival]) -> Due:
        """The batch with its files as they lie there, and what their paths say: whether it restates, and whether an append refuses it."""
        deliveries = tuple(self.named[a.name] for a in arrivals)
        before = self.store.published_as(self.product.address, self.port.name, [d.name for d in deliveries])
        return Due(
            batch=batch,
            deliveries=deliveries,
            arrivals=tuple(self._arrival(d, a.digest, batch.id) for d, a in zip(deliveries, arrivals, strict=True)),
            refusal=_refusal(self.product, self.named[before[0].name], before[0].batch)
            if before and self.product.main.write == "append"
            else None,
            restates=bool(before),
        )


def _refusal(product: Product, delivery: Delivery, batch: str) -> BatchRefused:
    """An append cannot take back rows: new content under a path that was published is refused, with the way out."""
    return BatchRefused(
        f"{delivery.name} was published with other content (batch {batch}), and {product.address} is append-only",
        place=delivery.location,
        hint=f"deliver it under a new name, mesh rollback {product.address} to before it, or declare write: overwrite_partitions",
    )


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


def find(store: Store, product: Product, id: str) -> Batch:
    """The batch whose id begins with `id`, or WrongUse."""
    matching = [b for b in store.batches(product.address) if b.id.startswith(id)]
    if len(matching) != 1:
        raise WrongUse(f"{product.address} has {len(matching) or 'no'} batches {id!r}", hint=f"mesh batches {product.address} lists them")
    return matching[0]
