"""Does a product agree with itself? Ports against functions and models, write modes and rules against columns.

Next: `crosscheck.py` holds products against each other.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from lakehouse.declare.contract import Contract, Place
from lakehouse.declare.findings import Findings, suggestion
from lakehouse.declare.origin import ALIKE, parted_alike
from lakehouse.declare.product import Function, OutputPort, Product
from lakehouse.declare.products import Folder
from lakehouse.types import Primitive

FRAMES = (
    *("pyarrow.RecordBatchReader", "polars.LazyFrame", "duckdb.DuckDBPyRelation"),
    *("pyarrow.Table", "polars.DataFrame", "pandas.DataFrame", "pyspark.sql.DataFrame"),
)
_DATES = ("date", "timestamp", "timestamptz")


def check(folder: Folder, product: Product, root: Path) -> None:
    """Report, in the folder's findings, where its product contradicts itself."""
    findings = folder.findings
    if product.functions or (product.folder / "transform.py").exists():
        _check_functions(folder, product, root)
    elif product.models:
        _check_models(product, root, findings)
    _check_append(product, findings)
    for port in product.outputs:
        _check_write(port, findings)
        _check_siblings(port, product, root, findings)
        _check_rules(port.contract, findings)
        _check_retention(port.contract, findings)


def _check_functions(folder: Folder, product: Product, root: Path) -> None:
    file = (product.folder / "transform.py").relative_to(root).as_posix()
    findings, functions = folder.findings, product.functions
    if not functions and any(p.file == file for p in findings.problems):
        return
    for name, function in functions.items():
        place = Place(file=file, path=f"$.{name}", line=function.line)
        if name not in folder.outputs:
            near = suggestion(name, folder.outputs - functions.keys())
            findings.error(place, f"the function {name!r} is no output port", f"{near} (what only helps begins with _)")
            continue
        _check_parameters(function, folder, place)
        _check_frame(function.returns, f"what {name!r} returns", place, findings)
    for port in product.outputs:
        if port.name not in functions:
            findings.error(port.place, f"the port {port.name!r} has no function", f"write `def {port.name}(...)` in {file}")
    used = {parameter for function in functions.values() for parameter in function.parameters}
    if used <= folder.inputs | folder.outputs:
        _warn_unused(product, used, findings)


def _check_parameters(function: Function, folder: Folder, place: Place) -> None:
    findings, inputs, siblings = folder.findings, folder.inputs, folder.outputs - {function.name}
    for name, annotation in function.parameters.items():
        if name not in inputs | siblings:
            what = f"the parameter {name!r} of {function.name!r} is neither an input port nor a sibling port"
            findings.error(place, what, suggestion(name, inputs | siblings))
        elif name in inputs & siblings:
            findings.error(place, f"{name!r} is both an input port and a sibling port", "give the input port another name")
        _check_frame(annotation, f"the parameter {name!r} of {function.name!r}", place, findings)


def _check_frame(annotation: str, what: str, place: Place, findings: Findings) -> None:
    if not annotation:
        findings.error(place, f"{what} has no annotation", f"it says how rows are handed over: {', '.join(FRAMES)}")
    elif annotation not in FRAMES:
        findings.error(place, f"{what} is annotated {annotation!r}, which is no frame", suggestion(annotation, FRAMES))


def _check_models(product: Product, root: Path, findings: Findings) -> None:
    ports = [o.name for o in product.outputs]
    for name, file in product.models.items():
        if name not in ports:
            findings.error(Place(file=file), f"the model's port {name!r} is no output port", suggestion(name, ports))
    for port in product.outputs:
        if port.name not in product.models:
            domain = product.address.domain
            where = f"dbt/models/{domain}/{product.address.port}/{domain}__{port.name}.sql"
            findings.error(port.place, f"the port {port.name!r} has no model", f"write {where}")
    text = "\n".join((root / file).read_text(errors="replace") for file in product.models.values())
    _warn_unused(product, {i.name for i in product.inputs if re.search(rf"\b{i.address.port if i.address else i.name}\b", text)}, findings)


def _warn_unused(product: Product, used: set[str], findings: Findings) -> None:
    for port in product.inputs:
        if port.name not in used:
            findings.warning(port.place, f"the input port {port.name!r} is not used", "remove it: consumers of a port hinder its changes")


def _check_append(product: Product, findings: Findings) -> None:
    """An append of whole inputs would append every row again with each of their publications."""
    derived = [i for i in product.inputs if i.address is not None]
    if product.main.write == "append" and derived and not product.sources and all(i.read == "full" for i in derived):
        findings.error(
            derived[0].place,
            f"{product.main.name!r} appends, and would append all of {derived[0].address} again with each of its publications",
            "write `read: changes` at the input port, or `write: overwrite` at the output port",
        )


def _check_write(port: OutputPort, findings: Findings) -> None:
    contract, columns = port.contract, [c.name for c in port.contract.columns]
    if port.write == "overwrite_partitions" and not contract.partitions:
        findings.error(
            port.place, f"{port.name!r} overwrites partitions but has none", "write `partitioned: true` on a column of its contract"
        )
    if port.write == "upsert" and not contract.key:
        findings.error(port.place, f"{port.name!r} is upserted but has no key", "write `primaryKey: true` on a column of its contract")
    if port.order_by is not None and port.order_by not in columns:
        findings.error(port.place, f"orderBy {port.order_by!r} is no column of {port.name!r}", suggestion(port.order_by, columns))
    if port.order_by is not None and port.write != "upsert":
        findings.documented_only(port.place, f"orderBy of a port that is written by {port.write}")
    if port.allow_empty and port.write != "overwrite":
        findings.documented_only(port.place, f"allowEmpty of a port that is written by {port.write}")


def _check_siblings(port: OutputPort, product: Product, root: Path, findings: Findings) -> None:
    """A sibling gets the partitions that a run touches, and replaces its own by what it makes of them."""
    for sibling in product.outputs if port.write == "overwrite_partitions" else ():
        read = sibling is not port and sibling.name in _read(port, product, root)
        if read and sibling.contract.partitions and not parted_alike(port.contract, sibling.contract):
            what = f"{port.name!r} replaces partitions by those of {sibling.name!r}, and is not partitioned like it"
            findings.error(port.place, what, f"partition both alike ({ALIKE}), or write `write: overwrite`")


def _read(port: OutputPort, product: Product, root: Path) -> Collection[str]:
    """What a port's function has for parameters, or the ports that its model's text names."""
    if port.name in product.functions:
        return product.functions[port.name].parameters
    file = product.models.get(port.name)
    text = (root / file).read_text(errors="replace") if file else ""
    return {o.name for o in product.outputs if re.search(rf"\b{o.address.domain}__{o.name}\b", text)}


def _check_rules(contract: Contract, findings: Findings) -> None:
    columns = [c.name for c in contract.columns]
    for rule in contract.quality:
        listed = rule.arguments.get("properties")
        for name in listed if isinstance(listed, list) else ():
            if name not in columns:
                findings.error(rule.place, f"the rule {rule.name!r} names {name!r}, which is no column", suggestion(str(name), columns))
    for relationship in contract.relationships:
        for name in relationship.columns:
            if name not in columns:
                findings.error(relationship.place, f"{name!r} is no column of {contract.address}", suggestion(name, columns))


def _check_retention(contract: Contract, findings: Findings) -> None:
    dated = [c.name for c in contract.columns if isinstance(c.type, Primitive) and c.type.name in _DATES]
    for level in contract.service_levels:
        if level.property == "retention" and level.element is not None and level.element not in dated:
            findings.error(
                level.place,
                f"rows cannot age by {level.element!r}",
                f"name a date or timestamp: {suggestion(level.element, dated) if dated else 'there is none'}",
            )
