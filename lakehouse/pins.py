"""One consistent read of what a run depends on, and the leases that keep it there.

A product has one writer at a time; readers keep the publications they read from being collected. A lease of a process that
is gone counts for nothing, and who takes over cleans up after it. Next: `publish.py`.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import cache
from threading import Event, Thread, current_thread
from typing import Literal

import psutil
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from lakehouse.address import Address
from lakehouse.errors import LeaseLost, Unavailable, WrongUse
from lakehouse.mesh import Mesh
from lakehouse.store import Connection, Holder, Lease, Pin


class _Busy(Unavailable):
    """Another run holds the product."""


def this_process() -> Holder:
    return _holder(os.getpid())


@cache
def _holder(pid: int) -> Holder:
    return Holder(host=socket.gethostname(), pid=pid, started=psutil.Process(pid).create_time())


def alive(lease: Lease, mesh: Mesh) -> bool:
    """Whether the lease's process still runs; for another machine's, whether it has not expired."""
    if lease.holder.host != socket.gethostname():
        return lease.expires > mesh.now()
    try:
        process = psutil.Process(lease.holder.pid)
        # a process that nobody has waited for yet is listed and dead
        return abs(process.create_time() - lease.holder.started) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def writing(mesh: Mesh, product: Address, run_id: str, recover: Callable[[Mesh, Address, str], None]) -> Iterator[None]:
    """Be the one writer of `product`; waits `publishing.wait` seconds for another run, and calls `recover` after a dead one."""
    lease = _new("product", product, run_id, mesh)
    attempts = Retrying(
        stop=stop_after_delay(mesh.settings.publishing.wait),
        wait=wait_random(0.01, 0.1),
        retry=retry_if_exception_type(_Busy),
        reraise=True,
    )
    after_a_death = attempts(_take, mesh, lease)
    with _held(mesh, lease):
        if after_a_death:
            recover(mesh, product, run_id)
        yield


def require_lease(mesh: Mesh, con: Connection, product: Address, run_id: str) -> None:
    """Raise LeaseLost unless the run is still the writer of `product`, in the transaction of what it is about to record.

    Who was taken for dead has no staged files any more, and another run has its batches.
    """
    if not mesh.store.holds(con, product, run_id):
        raise LeaseLost(
            f"{product}: run {run_id} stood still for so long that another run took over; it changed nothing",
            hint="mesh run takes what is left to do; [publishing] lease says how long a silent run is waited for",
        )


@contextmanager
def recording(mesh: Mesh, product: Address, run_id: str) -> Iterator[Connection]:
    """A write transaction of the run that is the writer of `product`; LeaseLost, with nothing recorded, when it is not any more."""
    with mesh.store.writing() as con:
        require_lease(mesh, con, product, run_id)
        yield con


def _take(mesh: Mesh, lease: Lease) -> bool:
    """Take the lease, or raise _Busy; dead readers' leases go, and it says whether a dead run's was in the way."""
    with mesh.store.writing() as con:
        others = [o for o in mesh.store.leases(con) if o.kind == "read" or o.subject == lease.subject]
        dead = [o for o in others if not alive(o, mesh)]
        held = [o for o in others if o.kind == "product" and o not in dead]
        if held:
            raise _Busy(
                f"{lease.subject} is being written by run {held[0].run_id} (process {held[0].holder.pid})",
                hint="wait for it, or raise [publishing] wait",
            )
        for gone in dead:
            mesh.store.end_lease(con, gone.id)
        mesh.store.put_lease(con, lease)
        return any(o.kind == "product" for o in dead)


@contextmanager
def pinned(mesh: Mesh, wanted: Mapping[Address, Address], run_id: str) -> Iterator[dict[Address, Pin]]:
    """Pin ports (port -> its product) in one read of the store, and keep their files while inside. Unpublished ports are left out."""
    if not wanted:
        yield {}
        return
    lease = _reader(run_id, mesh)
    with mesh.store.writing() as con:
        found = {port: mesh.store.pin(con, product, port) for port, product in wanted.items()}
        pins = {port: pin for port, pin in found.items() if pin}
        mesh.store.put_lease(con, replace(lease, publications=tuple(sorted({p.publication for p in pins.values()}))))
    with _held(mesh, lease):
        yield pins


@contextmanager
def kept(mesh: Mesh, publications: Collection[str], run_id: str) -> Iterator[None]:
    """Keep the files of earlier publications while inside; WrongUse when one of them was let go before that."""
    lease = replace(_reader(run_id, mesh), publications=tuple(sorted(publications)))
    with mesh.store.writing() as con:
        gone = mesh.store.expired(con, lease.publications)
        if gone:
            raise WrongUse(f"publication {gone[0]} is no longer kept", hint="[history] in mesh.toml says how long; mesh log lists the rest")
        mesh.store.put_lease(con, lease)
    with _held(mesh, lease):
        yield


def _reader(run_id: str, mesh: Mesh) -> Lease:
    return _new("read", Address("mesh", "readers"), run_id, mesh)


def _new(kind: Literal["product", "read"], subject: Address, run_id: str, mesh: Mesh) -> Lease:
    return Lease(
        id=uuid.uuid4().hex,
        kind=kind,
        subject=str(subject),
        run_id=run_id,
        holder=this_process(),
        expires=mesh.now() + timedelta(seconds=mesh.settings.publishing.lease),
    )


@contextmanager
def _held(mesh: Mesh, lease: Lease) -> Iterator[None]:
    """Renew a lease while inside, since another machine cannot see whether this process lives; then end it."""
    over = Event()
    renewal = Thread(target=_renew, args=(mesh, lease.id, over), name=f"lease {lease.id}", daemon=True)
    renewal.start()
    try:
        yield
    finally:
        over.set()
        if renewal is not current_thread():  # a reader that was forgotten is ended by whichever thread collects it
            renewal.join()
        with mesh.store.writing() as con:
            mesh.store.end_lease(con, lease.id)


def _renew(mesh: Mesh, lease: str, over: Event) -> None:
    seconds = mesh.settings.publishing.lease
    while not over.wait(seconds / 3):
        with suppress(Unavailable), mesh.store.writing() as con:  # a store that is busy now is asked again
            mesh.store.renew_lease(con, lease, mesh.now() + timedelta(seconds=seconds))
