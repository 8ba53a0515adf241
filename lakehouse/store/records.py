"""The shapes of what the store remembers. Frozen; times are aware UTC datetimes.

Next: `store.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lakehouse.address import Address

Kind = Literal["batch", "replay", "restatement", "rollback", "retention", "discard"]
State = Literal["pending", "published", "rejected", "discarded", "withdrawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortState:
    """A port inside a publication: what makes it readable for ever, and what its contract was then.

    `rows` were written by this publication, `total_rows` can be read; `changed` is false when the port only came along.
    `content` is the publication that last gave it other content: retention takes old rows away and leaves it, so that nobody
    downstream has anything to do. `quarantine` is the manifest list of the rows that were set aside then.
    """

    address: Address
    snapshot_id: int | None
    schema_id: int
    metadata_location: str
    manifest_list: str | None
    contract_version: str
    contract: str
    rows: int
    total_rows: int
    quarantined: int
    content: str
    quarantine: str | None = None
    changed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A port as one run reads it: the producer's publication and the port's state in it."""

    product: Address
    publication: str
    state: PortState

    @property
    def address(self) -> Address:
        return self.state.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What a product showed from `at` on: all of its ports at once. Immutable.

    `inputs` maps input port -> publication id; `batches` are those it settled, as they stood afterwards; `number` counts the
    product's publications from 1.
    """

    id: str
    product: Address
    kind: Kind
    at: datetime
    run_id: str
    code_version: str
    fingerprint: str
    ports: tuple[PortState, ...]
    inputs: dict[str, str]
    batches: tuple[Batch, ...]
    restores: str | None = None
    number: int = 1
    withdrawn: bool = False
    expired: bool = False

    def port(self, address: Address) -> PortState:
        """The state of `address`; KeyError when this publication did not have it."""
        for state in self.ports:
            if state.address == address:
                return state
        raise KeyError(str(address))


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One delivery to an input port and what became of it. `staged` maps port address -> files of a rejected state."""

    id: str
    product: Address
    input_port: str
    name: str
    partition: str | None
    state: State
    at: datetime
    delivered: int = 0
    published: int = 0
    quarantined: int = 0
    discarded: int = 0
    publication: str | None = None
    attempt: str | None = None
    reason: str | None = None
    staged: dict[str, list[str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A file as it was when it arrived: `stamp` tells cheaply, `digest` (BLAKE3) surely whether it is still the same."""

    name: str
    location: str
    stamp: str
    digest: str
    batch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process, told apart from a later one of the same number by its start."""

    host: str
    pid: int
    started: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Somebody is at work: kind `product` is the one writer of a product, `read` keeps publications' files."""

    id: str
    kind: Literal["product", "read"]
    subject: str
    run_id: str
    holder: Holder
    expires: datetime
    publications: tuple[str, ...] = ()
