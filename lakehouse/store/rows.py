"""Rows of the store's tables <-> records.

Next: `engine.py` for how transactions begin.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from lakehouse.address import Address
from lakehouse.store.records import Batch, Holder, Lease, PortState, Publication


def millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def publication(row: Any, states: Sequence[Any]) -> Publication:
    return Publication(
        id=row.id,
        product=Address.parse(row.product),
        kind=row.kind,
        at=moment(row.at),
        run_id=row.run_id,
        code_version=row.code_version,
        fingerprint=row.fingerprint,
        ports=tuple(port_state(s) for s in states),
        inputs=json.loads(row.inputs),
        batches=tuple(map(_batch, json.loads(row.batches))),
        restores=row.restores,
        number=row.number,
        withdrawn=bool(row.withdrawn),
        expired=bool(row.expired),
    )


def from_publication(p: Publication) -> dict[str, object]:
    return {
        "id": p.id,
        "product": str(p.product),
        "number": p.number,
        "kind": p.kind,
        "at": millis(p.at),
        "run_id": p.run_id,
        "code_version": p.code_version,
        "fingerprint": p.fingerprint,
        "inputs": json.dumps(p.inputs),
        "batches": json.dumps([from_batch(b) for b in p.batches]),
        "restores": p.restores,
    }


def port_state(row: Any) -> PortState:
    values = dict(row._mapping)
    values.pop("publication")
    return PortState(**{**values, "address": Address.parse(row.address), "changed": bool(row.changed)})


def from_state(publication: str, s: PortState) -> dict[str, object]:
    return {**asdict(s), "publication": publication, "address": str(s.address), "changed": int(s.changed)}


def batch(row: Any) -> Batch:
    return _batch(dict(row._mapping))


def _batch(values: dict[str, Any]) -> Batch:
    staged = json.loads(values["staged"]) if values["staged"] else None
    return Batch(**{**values, "product": Address.parse(values["product"]), "at": moment(values["at"]), "staged": staged})


def from_batch(b: Batch) -> dict[str, object]:
    staged = json.dumps(b.staged) if b.staged else None
    return {**asdict(b), "product": str(b.product), "at": millis(b.at), "staged": staged}


def lease(row: Any) -> Lease:
    return Lease(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        run_id=row.run_id,
        holder=Holder(**json.loads(row.holder)),
        expires=datetime.fromtimestamp(row.expires, UTC),
        publications=tuple(json.loads(row.publications)),
    )


def from_lease(value: Lease) -> dict[str, object]:
    return {
        "id": value.id,
        "kind": value.kind,
        "subject": value.subject,
        "run_id": value.run_id,
        "holder": json.dumps(asdict(value.holder)),
        "expires": value.expires.timestamp(),
        "publications": json.dumps(value.publications),
    }
