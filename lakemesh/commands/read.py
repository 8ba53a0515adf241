"""`query` and `read`: rows of ports, under the decision, as they are or as they were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lakemesh.session import One, Session, new_run_id, note, session

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakehouse.access import Principal
    from lakehouse.mesh import Mesh
    from lakehouse.ports.sql import Answer
    from lakemesh.formats import Format

AsPrincipal = Annotated[str | None, typer.Option("--as", metavar="P", help="Who asks; default: the operator of this machine.")]
Purpose = Annotated[str | None, typer.Option("--purpose", metavar="T", help="What the rows are for.")]
AsOf = Annotated[str | None, typer.Option("--as-of", metavar="WHEN", help="A time, a date or a publication: what was shown then.")]
Form = Annotated[Literal["table", "csv", "json", "parquet", "arrow"] | None, typer.Option("--format", help="How the rows are written.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write to a file.")]


def query(
    context: typer.Context,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT over ports by their addresses.")],
    *,
    principal: AsPrincipal = None,
    purpose: Purpose = None,
    as_of: AsOf = None,
    form: Form = None,
    output: Output = None,
) -> None:
    """SQL over ports by their addresses."""
    from lakehouse.ports import sql as port

    call = session(context)

    def ask(mesh: Mesh) -> Answer:
        when = port.moment(as_of) if as_of else None
        return port.query(mesh, _principal(principal), sql, run_id=new_run_id(), purpose=purpose, as_of=when)

    _write(call, ask, form, output)


def read(
    context: typer.Context,
    address: One,
    *,
    principal: AsPrincipal = None,
    purpose: Purpose = None,
    as_of: AsOf = None,
    since: Annotated[str | None, typer.Option("--since", metavar="A", help="Only what came after this time or publication.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="B", help="And before this one; default: now.")] = None,
    changes: Annotated[bool, typer.Option("--changes", help="With --since: also what went, and `_change` (insert or delete).")] = False,
    batch: Annotated[str | None, typer.Option("--batch", metavar="ID", help="The rows that a rejected batch staged.")] = None,
    columns: Annotated[str | None, typer.Option("--columns", metavar="A,B", help="Only these columns.")] = None,
    where: Annotated[str | None, typer.Option("--where", metavar="SQL", help="Only rows for which this is true.")] = None,
    form: Form = None,
    output: Output = None,
) -> None:
    """A port's rows, or what changed in it."""
    from lakehouse.errors import WrongUse
    from lakemesh import asking, selection

    if (changes or until) and not since:
        raise WrongUse("--changes and --until need --since", hint="mesh log ADDRESS lists publications to begin with")
    if sum(map(bool, (as_of, since, batch))) > 1:
        raise WrongUse("--as-of, --since and --batch exclude each other", hint="ask for one of them")

    def ask(mesh: Mesh) -> Answer:
        port = selection.port(mesh.declarations, address)
        who = _principal(principal)
        named = [part.strip() for part in (columns or "").split(",") if part.strip()]
        rows = asking.Rows(port=port, columns=asking.known(named, port), where=where, principal=who, purpose=purpose)
        if batch:
            return asking.staged_of(mesh, rows, batch)
        return asking.changes_of(mesh, rows, since, until, both=changes) if since else asking.rows_of(mesh, rows, as_of)

    _write(session(context), ask, form, output)


def _principal(id: str | None) -> Principal:
    from lakehouse.access import OPERATOR, Principal

    return Principal(id) if id else OPERATOR


def _write(call: Session, ask: Callable[[Mesh], Answer], form: Format | None, output: Path | None) -> None:
    from lakemesh import formats
    from lakemesh.render import number

    wanted = formats.chosen(form, output, json=call.json)
    formats.check_target(wanted, output, json=call.json)
    with call.open() as mesh, ask(mesh) as answer:
        rows = formats.write(answer, wanted, output)
    if output is not None and call.json:
        call.answer({"file": str(output), "rows": rows}, lambda: None)
    elif output is not None:
        note(f"{output}: {number(rows, 'row')}")
