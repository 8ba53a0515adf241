"""`init`, `new domain`, `new product`: declarations written for you, never over existing ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lakemesh.session import Session, session

if TYPE_CHECKING:
    from lakehouse.address import Address
    from lakemesh.scaffold.product import Made


_CANDIDATES = 12


def init(
    context: typer.Context, folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or one without these files.")]
) -> None:
    """Make a new mesh."""
    from lakemesh.scaffold import mesh

    folder = folder.resolve()
    written = mesh.create(folder)
    _say(session(context), folder, written, f"next: cd {folder.name} && mesh new domain NAME")


def domain(context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and _.")]) -> None:
    """Make a domain's folder."""
    from lakemesh.scaffold import domain

    call = session(context)
    root = call.settings().root
    _say(call, root, domain.create(root, name), f"next: mesh new product {name}.PRODUCT --from PATH")


def product(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="DOMAIN.PRODUCT", help="Its address.")],
    *,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="PATH", help="A file, a folder or a glob: CSV, JSON lines or Parquet. None: to be filled in."),
    ] = None,
    key: Annotated[str | None, typer.Option("--key", metavar="A,B", help="The columns that no two rows share.")] = None,
    write: Annotated[
        Literal["append", "overwrite", "overwrite_partitions", "upsert"] | None,
        typer.Option("--write", help="Default: overwrite for a file, else append."),
    ] = None,
    template: Annotated[
        Literal["as-is", "duckdb", "polars", "pandas", "pyarrow"], typer.Option("--template", help="Rows as they are, or a transform.py.")
    ] = "as-is",
) -> None:
    """Make a product from its files: the contract is inferred, with evidence. Without files there is one to fill in."""
    from lakemesh import scaffold
    from lakemesh.scaffold import arriving
    from lakemesh.scaffold.product import Wish, make

    call = session(context)
    root = call.settings().root
    where = _free(root, address)
    keys = tuple(part.strip() for part in (key or "").split(",") if part.strip())
    made = make(
        Wish(
            address=where,
            arriving=arriving.later(where) if source is None else arriving.find(source, root),
            key=keys,
            write=write,
            template=template,
        )
    )
    written = scaffold.write(root / "domains" / where.domain / where.port, made.files)
    _refresh_sources(call)
    if not call.json:
        _show_evidence(made)
    _say(call, root, written, f"next: mesh check, then mesh run {address}")


def _free(root: Path, text: str) -> Address:
    """An address in a domain that is there, for a product that is not."""
    from lakehouse.address import Address, name_problem
    from lakehouse.errors import WrongUse

    address = Address.parse(text)
    if problem := name_problem(address.port):
        raise WrongUse(problem, hint="choose another name")
    if not (root / "domains" / address.domain / "domain.yaml").is_file():
        raise WrongUse(f"there is no domain {address.domain!r}", hint=f"mesh new domain {address.domain}")
    if (root / "domains" / address.domain / address.port).exists():
        raise WrongUse(f"domains/{address.domain}/{address.port} is there already", hint="choose another name, or edit its declarations")
    return address


def _refresh_sources(call: Session) -> None:
    """Dbt's list of sources has one more; a mesh whose declarations have errors keeps the old one."""
    from orchestration.dbt_sources import write_sources

    declarations = call.declarations()
    if (declarations.root / "dbt" / "dbt_project.yml").is_file() and not any(p.severity == "error" for p in declarations.problems):
        write_sources(declarations)


def _show_evidence(made: Made) -> None:
    from lakemesh.render import line, table

    table(("column", "type", "because"), [(c.name, str(c.type), c.evidence) for c in made.draft.columns])
    for words in made.draft.notes:
        line(f"note: {words}")
    if made.draft.key_candidates:
        listed = ", ".join(made.draft.key_candidates[:_CANDIDATES]) + (", ..." if len(made.draft.key_candidates) > _CANDIDATES else "")
        line(f"unique in these files: {listed} (--key makes it a promise)")


def _say(call: Session, folder: Path, written: list[Path], after: str) -> None:
    from lakemesh.render import line

    names = [p.relative_to(folder).as_posix() for p in written]

    def show() -> None:
        for name in names:
            line(f"wrote {name}")
        line(after)

    call.answer({"folder": str(folder.resolve()), "files": names}, show)
