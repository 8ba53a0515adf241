"""The only read path: a decision and a port's state -> a relation. What a publication showed is found by its own manifest list.

A reader names ports by address and gets them all as one publication each, at one moment. Next: `ports/` serve it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile

from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema

from lakehouse.access import Decision, Principal, decide
from lakehouse.address import Address
from lakehouse.commit import load
from lakehouse.declare.contract import Contract
from lakehouse.diff import contract_from_json
from lakehouse.errors import BatchRefused, Damaged, WrongUse
from lakehouse.mesh import Mesh
from lakehouse.scan import paths, scan
from lakehouse.store import Batch, Pin, PortState, Publication
from lakehouse.types import quote
from lakehouse.write import same_partitions


def relation_of(mesh: Mesh, state: PortState, decision: Decision) -> str:
    """A port in one state, as a table expression of what the decision permits."""
    return _permitted(scan(paths(mesh.manifests.files(state.manifest_list)), _schema(mesh, state)), decision)


def files_of(mesh: Mesh, state: PortState) -> tuple[DataFile, ...]:
    """The data files of a state."""
    return mesh.manifests.files(state.manifest_list)


def only_in(mesh: Mesh, state: PortState, other: PortState, decision: Decision) -> str:
    """The rows of a state that stand in files which the other state does not have: equal rows may stand in both."""
    theirs = set(paths(files_of(mesh, other)))
    mine = [f for f in paths(files_of(mesh, state)) if f not in theirs]
    return _permitted(scan(mine, _schema(mesh, state)), decision)


def changed(mesh: Mesh, before: Pin, now: PortState, decision: Decision, *, whole_partitions: bool) -> str:
    """What was added between two states; with `whole_partitions`, all of today's rows in the partitions that changed.

    Raises BatchRefused when rows were replaced upstream and only additions can be taken. Rows that were past their time are not replaced.
    """
    old, new = files_of(mesh, before.state), files_of(mesh, now)
    old_paths, new_paths = set(paths(old)), set(paths(new))
    added = [f for f in new if f.file_path not in old_paths]
    gone = [f for f in old if f.file_path not in new_paths]
    if whole_partitions:
        added = same_partitions(new, [*added, *gone])
    elif gone and not _past_their_time(mesh, before, now, added):
        raise BatchRefused(
            f"{now.address} replaced rows that were already taken",
            hint="mesh rollback the reader to before it took them, or declare read: full or write: overwrite_partitions",
        )
    return _permitted(scan(paths(added), _schema(mesh, now)), decision)


def _past_their_time(mesh: Mesh, before: Pin, now: PortState, added: Sequence[DataFile]) -> bool:
    """Whether files of an append have gone by its retention only, and as a whole: a rewritten file holds rows that were taken already."""
    since = [*takewhile(lambda p: p.id != before.publication, mesh.store.publications(before.product))]
    port = mesh.declarations.producer(now.address).port(now.address)
    rewriting = [f"/{p.run_id}-" for p in since if p.kind == "retention"]
    rewritten = any(run in f.file_path for f in added for run in rewriting)
    return port.write == "append" and all(p.kind != "rollback" for p in since) and not rewritten


def state_at(mesh: Mesh, address: Address, as_of: datetime | str | None = None) -> tuple[Publication, PortState]:
    """The publication that a port showed at a moment, or by (the beginning of) its id; WrongUse when there is none."""
    product = mesh.declarations.producer(address)
    publication = _publication(mesh, product.address, as_of)
    if publication is None:
        when = f" at {as_of}" if as_of else " yet"
        raise WrongUse(
            f"{address} has not been published{when}", hint=f"mesh log {product.address} lists its publications; mesh run {product.address}"
        )
    if publication.expired:
        raise WrongUse(
            f"{address}: publication {publication.id} is no longer kept",
            hint="[history] in mesh.toml says how long; mesh log lists the rest",
        )
    try:
        return publication, publication.port(address)
    except KeyError:
        raise WrongUse(f"{address} was not part of publication {publication.id}", hint=f"mesh log {product.address}") from None


def _publication(mesh: Mesh, product: Address, as_of: datetime | str | None) -> Publication | None:
    match as_of:
        case None:
            return mesh.store.current(product)
        case datetime():
            return mesh.store.as_of(product, as_of)
        case str():
            matching = [p for p in mesh.store.publications(product) if p.id.startswith(as_of)]
            return matching[0] if len(matching) == 1 else None


def permitted(mesh: Mesh, principal: Principal, address: Address, *, purpose: str | None, as_of: datetime | str | None = None) -> str:
    """A port as `principal` may see it: state, decision, relation."""
    _, state = state_at(mesh, address, as_of)
    return relation_of(mesh, state, decision_on(mesh, principal, state, purpose=purpose))


def decision_on(mesh: Mesh, principal: Principal, state: PortState, *, purpose: str | None = None) -> Decision:
    """The decision on a port as it was published: under the contract of then, not of an edit that is still to be published."""
    return decide(principal, purpose, contract_of(mesh, state), now=mesh.now())


def contract_of(mesh: Mesh, state: PortState) -> Contract:
    """The contract that a state was published under."""
    body = mesh.store.contract(state.contract)
    if body is None:
        raise Damaged(f"the contract {state.contract} of {state.address} is not in the store", hint="mesh verify")
    return contract_from_json(body)


def rejected_rows(mesh: Mesh, batch: Batch, address: Address, decision: Decision) -> str:
    """The rows that a rejected batch staged, for its owner."""
    files = (batch.staged or {}).get(str(address))
    table = load(mesh.catalog, address)
    if files is None:
        raise WrongUse(
            f"batch {batch.id} is {batch.state}; no staged rows are kept of it",
            hint="only rejected batches keep them, for [history] rejected_days",
        )
    if table is None:
        raise WrongUse(
            f"{address} was never published, so its staged rows have no table to be read by", hint="mesh run --dry-run shows the verdict"
        )
    return _permitted(scan(files, table.schema()), decision)


def _permitted(relation: str, decision: Decision) -> str:
    columns = ", ".join(quote(c) for c in decision.columns)
    condition = f" where {decision.row_filter}" if decision.row_filter else ""
    return f"(select {columns} from {relation}{condition})"


def _schema(mesh: Mesh, state: PortState) -> Schema:
    """Today's schema: a state of before a rename or an addition is read by field id into today's names."""
    table = load(mesh.catalog, state.address)
    if table is None:
        raise Damaged(f"{state.address} is in the store but not in the catalog", hint="mesh verify")
    return table.schema()
