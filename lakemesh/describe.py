"""All that is known of a port or a publication, for `mesh show` and `mesh log`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

from lakehouse.declare.contract import Contract, ServiceLevel
from lakehouse.declare.product import InputPort, OutputPort, Product
from lakehouse.rules import gate_rules, row_rules
from lakehouse.scan import local_address
from lakemesh.render import line, table, text

if TYPE_CHECKING:
    from lakehouse.mesh import Mesh
    from lakehouse.store import PortState, Publication

Known = Mapping[str, object]


def publication(found: Publication) -> Known:
    """A publication as `mesh log` tells it."""
    return {
        "id": found.id,
        "kind": found.kind,
        "at": found.at,
        "run_id": found.run_id,
        "batches": [b.id for b in found.batches],
        "ports": states(found),
        "inputs": found.inputs,
        "restores": found.restores,
        "code_version": found.code_version,
        "withdrawn": found.withdrawn,
        "expired": found.expired,
    }


def states(found: Publication) -> list[Known]:
    """What a publication shows of each port."""
    return [_state(s) for s in found.ports]


def _state(state: PortState) -> Known:
    return {
        "address": str(state.address),
        "snapshot_id": state.snapshot_id,
        "rows": state.rows,
        "total_rows": state.total_rows,
        "quarantined": state.quarantined,
        "contract_version": state.contract_version,
        "changed": state.changed,
    }


def marks(found: Publication) -> Iterator[str]:
    """What a reader of the log should know of a publication beyond its numbers."""
    yield from (word for word in ("withdrawn", "expired") if getattr(found, word))
    if found.restores:
        yield f"restores {found.restores}"


def overview(mesh: Mesh) -> list[Known]:
    """A line for each port."""
    return [_line(mesh, product, port) for product, port in mesh.declarations.ports()]


def _line(mesh: Mesh, product: Product, port: OutputPort) -> Known:
    current = mesh.store.current(product.address)
    state = _state_in(current, port)
    return {
        "address": str(port.address),
        "status": product.status,
        "version": port.contract.version,
        "owner": product.team.name,
        "rows": state.total_rows if state else None,
        "published": current.at if current and state else None,
    }


def _state_in(current: Publication | None, port: OutputPort) -> PortState | None:
    return next((s for s in current.ports if s.address == port.address), None) if current else None


def port(mesh: Mesh, product: Product, out: OutputPort) -> Known:
    """Everything about one port: what it promises, what it is compiled to, where it stands and how to read it."""
    current = mesh.store.current(product.address)
    state = _state_in(current, out)
    kept = mesh.store.unexpired(product.address)
    return {
        "address": str(out.address),
        "product": str(product.address),
        "status": product.status,
        "owner": product.team.name,
        "members": list(product.team.members),
        "version": out.contract.version,
        "purpose": product.purpose,
        "description": out.contract.description,
        "write": out.write,
        "inputs": [_input(i) for i in product.inputs],
        "outputs": [str(o.address) for o in product.outputs],
        "schema": _schema(out.contract),
        "rules": _rules(out),
        "service_levels": [_level(s) for s in out.contract.service_levels],
        "servers": list(out.contract.servers),
        "publication": publication(current) if current else None,
        "rows": state.total_rows if state else None,
        "history": {"publications": len(kept), "since": kept[-1].at if kept else None},
        "location": local_address(mesh.settings.warehouse / out.address.domain / out.address.port),
        "metadata_location": state.metadata_location if state else None,
        "catalog": {"type": "sql", "uri": f"sqlite:///{mesh.settings.database}", "warehouse": local_address(mesh.settings.warehouse)},
        "read_it": snippets(mesh, out, state),
    }


def _input(port: InputPort) -> Known:
    return {"name": port.name, "reads": port.source.path if port.source else str(port.address)}


def _schema(contract: Contract) -> list[Known]:
    return [
        {
            "name": c.name,
            "type": str(c.type),
            "required": c.required or c.key_position is not None,
            "key": c.key_position,
            "partition": c.partition,
            "classification": c.classification,
            "description": c.description,
        }
        for c in contract.columns
    ]


def _rules(out: OutputPort) -> list[Known]:
    rows = [
        {"rule": r.name, "kind": "row", "column": r.column, "severity": "error", "promise": r.description} for r in row_rules(out.contract)
    ]
    gates = [
        {
            "rule": g.name,
            "kind": "gate",
            "column": ", ".join(g.columns) or None,
            "severity": g.severity,
            "scope": g.scope,
            "promise": g.description,
        }
        for g in gate_rules(out.contract, out.write)
    ]
    return [*rows, *gates]


def _level(level: ServiceLevel) -> Known:
    return {"property": level.property, "value": level.value, "unit": level.unit, "element": level.element, "schedule": level.schedule}


def snippets(mesh: Mesh, out: OutputPort, state: PortState | None) -> Mapping[str, str]:
    """How to read a port from elsewhere, by engine; those that read the table's metadata file need a publication.

    Trino is told the very file: alone, it takes the folder's newest, which a run that died may have left there unpublished.
    """
    address = out.address
    found = {
        "mesh": f"mesh read {address}",
        "python": f'import lakemesh; lakemesh.connect("{mesh.settings.root}").read("{address}").to_polars()',
        "dbt": f"select * from {{{{ source('{address.domain}', '{address.port}') }}}}",
        "pyiceberg": "from pyiceberg.catalog import load_catalog; "
        f'load_catalog("mesh", type="sql", uri="sqlite:///{mesh.settings.database}").load_table("{address}").scan().to_arrow()',
    }
    if state and state.metadata_location:
        metadata = state.metadata_location
        found["duckdb"] = f"install iceberg; load iceberg; select * from iceberg_scan('{metadata}')"
        if not any(str(c.type) == "time" for c in out.contract.columns):  # Spark has no such type, and reads no table that has
            found["spark"] = f'spark.read.format("iceberg").load("{metadata}")'
        location, _, file = metadata.rpartition("/metadata/")
        found["trino"] = f"call example.system.register_table('{address.domain}', '{address.port}', '{location}', '{file}')"
    return found


def show(known: Known) -> None:
    """The same for a person."""
    line(f"{known['address']}  {known['version']}  {known['status']}, owned by {known['owner']}")
    line(f"{known['description'] or known['purpose']}\n")
    _show_list(known, "schema", ("name", "type", "required", "classification", "description"))
    _show_list(known, "rules", ("rule", "kind", "severity", "promise"))
    _show_list(known, "service_levels", ("property", "value", "unit", "element", "schedule"))
    current = cast("Known | None", known["publication"])
    now = f"{known['rows']:,} rows in publication {current['id']} of {text(current['at'])}" if current else "not published yet: mesh run"
    line(f"state     {now}")
    line(f"location  {known['location']}")
    for engine, words in cast("Mapping[str, str]", known["read_it"]).items():
        line(f"{engine:<9} {words}")


def _show_list(known: Known, what: str, columns: tuple[str, ...]) -> None:
    rows = cast("list[Known]", known[what])
    if rows:
        table(columns, [[row.get(c) for c in columns] for row in rows])
        line("")
