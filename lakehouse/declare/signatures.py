"""What does `transform.py` offer? Its public functions and their annotations, read by `ast`: product code is never imported.

Next: `crosscheck.py` holds them against the ports.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path

from lakehouse.declare.contract import Place
from lakehouse.declare.findings import Findings
from lakehouse.declare.product import Function

PLATFORM = ("lakehouse", "lakemesh", "orchestration", "portal", "domains", "dagster", "dbt")


def read(path: Path, root: Path, findings: Findings) -> dict[str, Function]:
    """The transforms in a product's `transform.py`, by name, in the order of the file."""
    file = path.relative_to(root).as_posix()
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(path.read_bytes())
    except OSError as error:
        findings.error(Place(file=file), f"cannot be read: {error.strerror}", "make it a readable file")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 0
        findings.error(
            Place(file=file, line=line),
            f"is no Python: {getattr(error, 'msg', '') or str(error) or 'nested too deeply'}",
            f"python -m py_compile {file}",
        )
    else:
        return _functions(tree, file, findings)
    return {}


def _functions(tree: ast.Module, file: str, findings: Findings) -> dict[str, Function]:
    _refuse_platform(tree, file, findings)
    aliases = dict(_aliases(tree))
    found: dict[str, Function] = {}
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or node.name.startswith("_"):
            continue
        place = Place(file=file, path=f"$.{node.name}", line=node.lineno)
        if node.name in found:
            findings.error(place, f"the function {node.name!r} is there twice", "keep one of them")
        if isinstance(node, ast.AsyncFunctionDef):
            findings.error(place, f"the transform {node.name!r} is async", "write a plain function: def")
        _refuse_open_parameters(node, place, findings)
        found[node.name] = _function(node, aliases)
    return found


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, aliases: dict[str, str]) -> Function:
    parameters = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    return Function(
        name=node.name,
        parameters={p.arg: _annotation(p.annotation, aliases) for p in parameters},
        returns=_annotation(node.returns, aliases),
        line=node.lineno,
    )


def _annotation(node: ast.expr | None, aliases: dict[str, str]) -> str:
    """The annotation's full name: `pa.Table` -> `pyarrow.Table`; quoted ones too. Empty when there is none."""
    if node is None:
        return ""
    quoted = isinstance(node, ast.Constant) and isinstance(node.value, str)
    text = str(node.value).strip() if quoted and isinstance(node, ast.Constant) else ast.unparse(node)
    first, dot, rest = text.partition(".")
    return aliases.get(first, first) + dot + rest


def _aliases(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield (name.asname, name.name) if name.asname else (name.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for name in node.names:
                yield name.asname or name.name, f"{node.module}.{name.name}"


def _refuse_platform(tree: ast.Module, file: str, findings: Findings) -> None:
    for node in ast.walk(tree):
        modules = [n.name for n in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = [node.module or "." if not node.level else "."]
        for module in modules:
            if module == "." or module.partition(".")[0] in PLATFORM:
                place = Place(file=file, line=getattr(node, "lineno", 0))
                findings.error(place, f"imports {module!r}", "a transform is a pure function: import its frame library only")


def _refuse_open_parameters(node: ast.FunctionDef | ast.AsyncFunctionDef, place: Place, findings: Findings) -> None:
    if node.args.vararg or node.args.kwarg:
        findings.error(place, f"{node.name!r} takes any number of parameters", "name each input port as a parameter")
