"""What may dbt models read? Every port of the mesh, as dbt's list of sources, compiled from the contracts.

`python -m orchestration.dbt_sources` writes it; `mesh check` says when it is stale. It imports no dbt. Next: `dbt.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from lakehouse.declare import Declarations, load
from lakehouse.declare.product import OutputPort, Product
from lakehouse.errors import Problem
from lakehouse.settings import Settings
from orchestration.dbt_offer import DATABASE

FILE = "dbt/models/sources.yml"
WRITING = "python -m orchestration.dbt_sources"
_HEAD = f"# Compiled from the contracts by `{WRITING}`. Edit those, not this.\n"


def compile_sources(declarations: Declarations) -> str:
    """A source per domain, a table per port, in the order of their addresses."""
    domains: dict[str, list[tuple[Product, OutputPort]]] = {}
    for product, port in sorted(declarations.ports(), key=lambda pair: pair[1].address):
        if product.status != "retired":
            domains.setdefault(port.address.domain, []).append((product, port))
    sources = [_source(declarations, name, ports) for name, ports in domains.items()]
    return _HEAD + yaml.safe_dump({"sources": sources}, sort_keys=False, allow_unicode=True, width=140)


def stale_sources(declarations: Declarations) -> tuple[Problem, ...]:
    """Whether the committed list is what the contracts say now. A mesh without a dbt project, or with errors, has nothing to say."""
    if not (declarations.root / "dbt" / "dbt_project.yml").is_file() or any(p.severity == "error" for p in declarations.problems):
        return ()
    file = declarations.root / FILE
    if file.is_file() and file.read_text(encoding="utf-8") == compile_sources(declarations):
        return ()
    what = "is not what the contracts say" if file.is_file() else "is missing"
    return (Problem(file=FILE, message=f"dbt's list of sources {what}", hint=f"{WRITING} writes it", severity="warning"),)


def write_sources(declarations: Declarations) -> Path:
    """Write the list; refused while a declaration has errors, because its ports would be missing."""
    declarations.raise_errors()
    file = declarations.root / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(compile_sources(declarations), encoding="utf-8")
    return file


def _source(declarations: Declarations, domain: str, ports: Iterable[tuple[Product, OutputPort]]) -> dict[str, object]:
    return {
        "name": domain,
        "database": DATABASE,
        "description": declarations.domains[domain].purpose,
        "tables": [_table(product, port) for product, port in ports],
    }


def _table(product: Product, port: OutputPort) -> dict[str, object]:
    return {
        "name": port.address.port,
        "description": port.contract.description,
        "config": {"meta": {"product": str(product.address), "owner": product.team.name, "version": port.contract.version}},
        "columns": [{"name": c.name, "description": c.description, "data_type": c.type.duckdb} for c in port.contract.columns],
    }


def main() -> None:
    """Write the list of the mesh around the working directory."""
    sys.stdout.write(f"{write_sources(load(Settings.find().root))}\n")


if __name__ == "__main__":
    main()
