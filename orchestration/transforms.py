"""A product's own code, loaded by path: which function gives which port, and a version that changes when its meaning does.

Next: `story.py` calls it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Collection, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Protocol

import duckdb

from lakehouse.address import Address
from lakehouse.declare.product import OutputPort, Product
from lakehouse.engines import reading_connection, to_frame, to_relation
from lakehouse.errors import MeshError, NotInstalled, TransformFailed
from lakehouse.gate import GateReport
from lakehouse.stage import Stage

_EXTRAS = {"polars": "polars", "pandas": "pandas", "pyspark": "spark"}
"""Libraries that product code may ask for and that need not be there -> the extra that brings them."""


@dataclass(slots=True)
class Bound:
    """What a transform may read in this run: table expressions on `connection` by input port or sibling. `keep` lives until staged."""

    connection: duckdb.DuckDBPyConnection
    relation: Callable[[str], str]
    limit_rows: int
    keep: list[object] = field(default_factory=list)


class Transform(Protocol):
    """How a product's rows are made; `version` is part of a run's fingerprint."""

    @property
    def version(self) -> str: ...

    @property
    def sql(self) -> Mapping[str, str]:
        """The compiled SQL of each port, where that is what it is."""
        ...

    def reads(self, port: OutputPort) -> Collection[str]:
        """The input ports and siblings that an output port is computed from, by name."""
        ...

    def rows(self, port: OutputPort, bound: Bound) -> str:
        """The rows of one output port, as a table expression."""
        ...

    def judged(self, report: GateReport, stage: Stage, targets: Mapping[Address, str]) -> GateReport:
        """The gate's report with what the code's own tests say of the staged state; `targets` are the pinned ports."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PassThrough:
    """No code: the rows of the one input port go through as they are."""

    input_port: str
    version: str = "pass-through"
    sql: Mapping[str, str] = field(default_factory=dict)

    def reads(self, port: OutputPort) -> Collection[str]:
        return (self.input_port,)

    def rows(self, port: OutputPort, bound: Bound) -> str:
        return bound.relation(self.input_port)

    def judged(self, report: GateReport, stage: Stage, targets: Mapping[Address, str]) -> GateReport:
        return report


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonTransform:
    """`transform.py`: one pure function per output port, its parameters named after what it reads."""

    product: Product
    functions: Mapping[str, Callable[..., object]]
    version: str
    sql: Mapping[str, str] = field(default_factory=dict)

    def reads(self, port: OutputPort) -> Collection[str]:
        return self.product.functions[port.name].parameters

    def rows(self, port: OutputPort, bound: Bound) -> str:
        frames = {name: self._frame(name, kind, bound) for name, kind in self.product.functions[port.name].parameters.items()}
        place = f"{self.product.folder.name}/transform.py:{port.name}"
        with _own_words(place):
            frame = self.functions[port.name](**frames)
        attached = to_relation(frame, bound.connection, function=place)
        bound.keep += [frames, attached]
        return attached.sql

    def judged(self, report: GateReport, stage: Stage, targets: Mapping[Address, str]) -> GateReport:
        return report

    def _frame(self, name: str, annotation: str, bound: Bound) -> object:
        connection = reading_connection(annotation, bound.connection)
        bound.keep.append(connection)
        return to_frame(annotation, connection, bound.relation(name), limit_rows=bound.limit_rows)


def load_python(product: Product) -> PythonTransform:
    """The functions of a product's transform.py; TransformFailed when it cannot be imported."""
    path = product.folder / "transform.py"
    module = _import(path)
    functions = {name: getattr(module, name) for name in product.functions}
    return PythonTransform(product=product, functions=functions, version=code_version(path.read_text(encoding="utf-8")))


def code_version(source: str) -> str:
    """12 hex digits of the syntax tree without docstrings: comments, layout and prose do not change it."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:12]


def _import(path: Path) -> ModuleType:
    """Import by path, under a name that no other product has; never from `sys.path`, where two meshes would merge."""
    spec = importlib.util.spec_from_file_location(f"_product_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}", path)
    if spec is None or spec.loader is None:
        raise TransformFailed(f"{path} cannot be imported", hint="is it a readable Python file?")
    module = importlib.util.module_from_spec(spec)
    with _own_words(f"{path.parent.name}/transform.py"):
        spec.loader.exec_module(module)
    return module


class _own_words:  # noqa: N801  a context manager, named as it reads
    """Turn what product code raises into TransformFailed with the line it came from, or NotInstalled for a library of ours.

    What it prints goes to stderr: stdout is the command's answer.
    """

    def __init__(self, place: str) -> None:
        self.place, self._printed = place, redirect_stdout(sys.stderr)

    def __enter__(self) -> None:
        self._printed.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._printed.__exit__(kind, error, trace)
        if isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:
            raise NotInstalled.extra(error.name, _EXTRAS[error.name]) from error  # noqa: S610  (not Django's)
        if isinstance(error, Exception) and not isinstance(error, MeshError):
            raise failure(self.place, error) from error


def failure(place: str, error: Exception) -> TransformFailed:
    """What product code raised, with the line of it that did."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith("transform.py")]
    line = f" (line {frames[-1].lineno}: {frames[-1].line})" if frames else ""
    return TransformFailed(f"{type(error).__name__}: {error}{line}", place=place, hint="mesh test runs it on the rows of examples.yaml")
