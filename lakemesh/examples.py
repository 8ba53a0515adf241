"""What does a product's `examples.yaml` say? Rows given to its input ports, rows expected from its output ports.

Next: `trial.py` runs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue

from lakehouse.declare import document
from lakehouse.declare.contract import Contract
from lakehouse.declare.entry import shaped
from lakehouse.declare.findings import Findings, suggestion
from lakehouse.declare.node import Node
from lakehouse.declare.product import Product
from lakehouse.errors import Problem

FILE = "examples.yaml"
Row = dict[str, JsonValue]
_ROOT = "examples"


class Example(BaseModel):
    """Columns that are not named are empty where given, and not compared where expected."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    given: dict[str, list[Row]]
    expect: dict[str, list[Row]]


class _Examples(BaseModel):
    examples: list[Example]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A product's examples, or what is wrong with the file."""

    product: Product
    examples: tuple[Example, ...] = ()
    problems: tuple[Problem, ...] = ()


def read(product: Product, root: Path, inputs: dict[str, Contract]) -> Suite | None:
    """The examples of a product; None when it has none. `inputs` are the contracts of its input ports."""
    path = product.folder / FILE
    if not path.exists():
        return None
    file, findings = path.relative_to(root).as_posix(), Findings()
    try:
        raw = path.read_bytes()
    except OSError as error:
        return Suite(product=product, problems=(Problem(file=file, message=f"cannot be read: {error.strerror}", hint="make it a file"),))
    if document.parse(raw, file, Findings()):
        return Suite(
            product=product, problems=(Problem(file=file, line=1, message="is no list of examples", hint="begin with `- name: ...`"),)
        )
    # what reads declarations wants a mapping: the list gets one line more
    found = document.parse(f"{_ROOT}:\n".encode() + raw, file, findings)
    shape = shaped(_Examples, Node.root(found), findings) if found else None
    examples = tuple(shape.examples) if shape else ()
    problems = [replace(p, line=max(p.line - 1, 0), path=p.path.replace(f"$.{_ROOT}", "$")) for p in findings.problems]
    return Suite(product=product, examples=examples, problems=(*problems, *_strangers(file, product, inputs, examples)))


def _strangers(file: str, product: Product, inputs: dict[str, Contract], examples: tuple[Example, ...]) -> Iterator[Problem]:
    """Names that nothing in the product bears."""
    outputs = {o.name: o.contract for o in product.outputs}
    for number, example in enumerate(examples):
        for key, ports, known in (("given", example.given, inputs), ("expect", example.expect, outputs)):
            for port, rows in ports.items():
                place = f"$[{number}].{key}.{port}"
                if port not in known:
                    what = "an input port" if key == "given" else "an output port"
                    yield Problem(file=file, path=place, message=f"{port!r} is not {what}", hint=suggestion(port, known))
                    continue
                columns = [c.name for c in known[port].columns]
                for name in sorted({name for row in rows for name in row} - set(columns)):
                    yield Problem(file=file, path=place, message=f"{port} has no column {name!r}", hint=suggestion(name, columns))
