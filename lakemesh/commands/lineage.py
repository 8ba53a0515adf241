"""`lineage`: what a port or a column is made of, and what is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lakemesh.session import session

if TYPE_CHECKING:
    from lakehouse.declare import Declarations
    from lakehouse.declare.product import OutputPort, Product
    from lakehouse.lineage.graph import Graph


def lineage(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(metavar="ADDRESS[.COLUMN]", help="domain.port or domain.port.column.")],
    *,
    direction: Annotated[Literal["up", "down"] | None, typer.Option("--direction", help="Default: both ways.")] = None,
    depth: Annotated[int | None, typer.Option("--depth", min=1, metavar="N", help="How many steps; default: all.")] = None,
) -> None:
    """What a port or a column comes from, and what comes from it."""
    from dataclasses import asdict

    from lakehouse.errors import WrongUse
    from lakehouse.lineage.graph import graph
    from lakemesh import selection

    call = session(context)
    declarations = call.declarations()
    domain, _, rest = subject.partition(".")
    if not rest:
        raise WrongUse(f"{subject!r} is not one port", hint="write domain.port or domain.port.column")
    name, _, column = rest.partition(".")
    port = selection.port(declarations, f"{domain}.{name}")

    def sql(product: Product, out: OutputPort) -> str | None:
        return _model(declarations, product, out)

    found = graph(declarations, port.address, column=column or None, direction=direction, depth=depth, sql=sql)
    call.answer({"nodes": [asdict(n) for n in found.nodes], "edges": [asdict(e) for e in found.edges]}, lambda: _show(found))


def _model(declarations: Declarations, product: Product, port: OutputPort) -> str | None:
    """A model's SQL as it stands; what its macros would make of it is known only to dbt."""
    from lakehouse.columns import plain_sql

    path = product.models.get(port.name)
    return plain_sql((declarations.root / path).read_text(encoding="utf-8")) if path else None


def _show(found: Graph) -> None:
    from lakemesh.render import line, table

    if not found.edges:
        line(f"{found.nodes[0].id} comes from nothing here, and nothing comes from it")
        return
    rows = [(e.source, e.target, e.method or "", "" if e.certain else "perhaps") for e in found.edges]
    table(("from", "to", "known by", ""), rows)
