"""The decision: what may this principal see of this port, for this purpose, now?

One pure function that every read path goes through. Until policies exist it answers "everything" to the operator of the
machine, who can read the files anyway, and refuses everybody else. Next: `read.py`, which cannot read without a decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lakehouse.address import Address
from lakehouse.declare.contract import Contract
from lakehouse.errors import MeshError


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks."""

    id: str


OPERATOR = Principal("operator")


class Denied(MeshError):
    """The decision was no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is permitted of `address`: these columns, of these rows (an SQL condition, None: all). Made by `decide` only."""

    principal: Principal
    address: Address
    columns: tuple[str, ...]
    row_filter: str | None = None
    policies: tuple[str, ...] = ()


def decide(principal: Principal, purpose: str | None, contract: Contract, *, now: datetime) -> Decision:
    """Permit with a decision, or raise Denied."""
    if principal != OPERATOR:
        raise Denied(
            f"{principal.id} may not read {contract.address}: there are no policies yet, and what is not permitted is denied",
            hint="the operator of this machine reads without --as",
        )
    return Decision(principal=principal, address=contract.address, columns=tuple(c.name for c in contract.columns), policies=("operator",))
