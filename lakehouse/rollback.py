"""Rollback: a new publication of an earlier state, all ports of the product. What came after it is withdrawn, by name.

`plan_rollback` says beforehand what would be withdrawn. Next: `maintain.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lakehouse.batches import told
from lakehouse.collect import recover
from lakehouse.declare.product import Product
from lakehouse.errors import PublishConflict, WrongUse
from lakehouse.mesh import Mesh
from lakehouse.pins import writing
from lakehouse.publish import Circumstances, drop_staged, publish, staging, verdict_of_then
from lakehouse.stage import Stage
from lakehouse.store import Batch, Publication
from lakehouse.telling import tell_change


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackPlan:
    """The state to go back to, and the publications and batches that a rollback would withdraw, newest first.

    `restored` are batches that stay, as they stood then: rows of theirs were replayed, discarded or taken again since.
    """

    product: Product
    target: Publication
    withdrawn: tuple[Publication, ...]
    batches: tuple[Batch, ...]
    restored: tuple[Batch, ...]


def plan_rollback(mesh: Mesh, product: Product, to: str | None = None) -> RollbackPlan:
    """Go back to the publication whose id begins with `to`, by default to what was shown before; WrongUse when it cannot be."""
    standing = [p for p in mesh.store.publications(product.address) if not p.withdrawn]
    target = _target(product, standing, to)
    later = tuple(p for p in standing if p.number > target.number)
    missing = [o.address for o in product.outputs if all(s.address != o.address for s in target.ports)]
    if missing:
        raise WrongUse(f"{missing[0]} was not part of publication {target.id}", hint="go back to a publication that had all ports")
    then = told([p for p in standing if p.number <= target.number])
    since = {b.id for p in later for b in p.batches}
    known = [b for b in mesh.store.batches(product.address) if b.id in since and b.state != "withdrawn"]
    stood = [then.get(b.id) or replace(b, state="withdrawn", staged=None) for b in known]
    return RollbackPlan(
        product=product,
        target=target,
        withdrawn=later,
        batches=tuple(b for b in stood if b.state == "withdrawn"),
        restored=tuple(b for b in stood if b.state != "withdrawn"),
    )


def _target(product: Product, standing: list[Publication], to: str | None) -> Publication:
    hint = f"mesh log {product.address} lists its publications"
    shown = _shown(standing)
    if to is None:
        earlier = [p for p in standing if p.id not in shown and not p.expired]
        if not earlier:
            raise WrongUse(f"{product.address} has no earlier publication to go back to", hint=hint)
        return earlier[0]
    matching = [p for p in standing if p.id.startswith(to)]
    if len(matching) != 1:
        raise WrongUse(f"{product.address} has {len(matching) or 'no'} standing publications {to!r}", hint=hint)
    if matching[0].expired:
        raise WrongUse(f"publication {matching[0].id} is no longer kept", hint="[history] in mesh.toml says how long")
    if matching[0].id in shown:
        raise WrongUse(f"what publication {matching[0].id} showed is current", hint=hint)
    return matching[0]


def _shown(standing: list[Publication]) -> set[str]:
    """The current publication, and those that it shows again."""
    restores = {p.id: p.restores for p in standing}
    shown, one = set[str](), standing[0].id if standing else None
    while one is not None:
        shown.add(one)
        one = restores.get(one)
    return shown


def rollback(mesh: Mesh, plan: RollbackPlan, run_id: str) -> Publication:
    """Publish the planned state again; PublishConflict when somebody published since it was planned."""
    product = plan.product
    with (
        writing(mesh, product.address, run_id, recover),
        mesh.connection() as connection,
        staging(Stage(mesh, product, run_id, connection, batch=f"rollback:{plan.target.id}")) as stage,
    ):
        started = mesh.now()
        again = plan_rollback(mesh, product, plan.target.id)
        if [p.id for p in again.withdrawn] != [p.id for p in plan.withdrawn]:
            raise PublishConflict(
                f"{product.address} was published again since, and that would be withdrawn too", hint="nothing was changed; roll back anew"
            )
        for port in product.outputs:
            stage.restore(port, plan.target.port(port.address))
        back = Circumstances.like(plan.target, "rollback", mesh.now(), (*again.batches, *again.restored))
        facts = replace(back, restores=plan.target.id, withdraws=again.withdrawn)
        tried = [b for b in mesh.store.batches(product.address, "rejected") if b.id in {f.id for f in facts.batches}]
        done = publish(stage, verdict_of_then(mesh, plan.target), facts, tell_change(stage, "rollback", started, facts))
        drop_staged(mesh, *tried)
        return done
