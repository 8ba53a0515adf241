"""What every module of the project keeps to, whoever writes it."""

from __future__ import annotations

import ast
import re
import sys
from statistics import median

import pytest

from tests.architecture.tree import Module, modules, platform

VAGUE = {"utils", "util", "helpers", "helper", "common", "core", "base", "manager", "misc"}
FRAMES = {"duckdb", "numpy", "pandas", "polars", "pyarrow", "pyspark"}


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _named(module: Module) -> set[str]:
    """Dotted names the code mentions, such as `os.environ`."""
    return {ast.unparse(node) for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}


def test_a_file_can_be_read_in_one_go():
    """No module has more than 400 lines; half of the platform's have at most 150."""
    assert [m.path for m in modules() if m.lines > 400] == []
    assert median(m.lines for m in platform()) <= 150


def test_a_function_can_be_seen_at_once():
    """No function has more than 80 lines, and fewer than 2 % of the platform's have more than 50."""
    everywhere = [f"{m.path}: {f.name}" for m in modules() for f in m.functions if _length(f) > 80]
    lengths = [_length(f) for m in platform() for f in m.functions]
    assert everywhere == []
    assert sum(length > 50 for length in lengths) < 0.02 * len(lengths)


def test_a_module_says_what_it_answers():
    """Every module of the platform opens with a docstring."""
    assert [m.path for m in platform() if m.text.strip() and not ast.get_docstring(m.tree)] == []


def test_a_module_is_named_after_what_it_holds():
    """No module or folder bears a name that says nothing."""
    assert [m.path for m in modules() if VAGUE & set(re.split(r"[/.]", m.path))] == []


def test_the_environment_has_one_reader():
    """Only lakehouse/settings.py reads or writes the process's environment."""
    readers = {m.path for m in platform() if {"os.environ", "os.getenv", "os.putenv"} & _named(m)}
    assert readers == {"lakehouse/settings.py"}


def test_errors_are_caught_by_name():
    """Nothing catches all exceptions: what is not understood is not survived."""
    broad = [
        f"{m.path}:{node.lineno}"
        for m in modules()
        for node in ast.walk(m.tree)
        if isinstance(node, ast.ExceptHandler) and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
    ]
    assert broad == []


def test_dagster_is_used_by_its_public_names():
    """No module imports one of Dagster's private modules."""
    assert [m.path for m in modules() if any(name.startswith("dagster._") for name in m.imports)] == []


def test_the_portal_is_a_process_of_its_own():
    """Nothing imports the portal, and the portal imports lakehouse only."""
    inside = [m for m in platform() if m.path.startswith("portal/")]
    outside = [m for m in platform() if not m.path.startswith("portal/")]
    assert [m.path for m in outside if any(name.split(".")[0] == "portal" for name in m.imports)] == []
    assert [m.path for m in inside if any(name.split(".")[0] in {"orchestration", "lakemesh"} for name in m.imports)] == []


def test_the_platform_knows_no_domain():
    """No module of the platform imports product code or the simulation."""
    strangers = {"domains", "simulation", "tests", "benchmarks", "examples"}
    assert [m.path for m in platform() if any(name.split(".")[0] in strangers for name in m.imports)] == []


@pytest.mark.parametrize("module", [m for m in modules() if m.path.endswith("/transform.py")], ids=lambda m: m.path)
def test_a_transform_knows_its_frame_library_only(module: Module):
    """A transform.py imports frame libraries and the standard library: it runs anywhere, without the platform."""
    assert {name.split(".")[0] for name in module.imports} <= FRAMES | set(sys.stdlib_module_names)


@pytest.mark.parametrize("module", [m for m in modules() if m.path.startswith("domains/")], ids=lambda m: m.path)
def test_no_domain_imports_another(module: Module):
    """Domains meet at ports, never in code."""
    assert not any(name.split(".")[0] == "domains" for name in module.imports)


def test_the_story_is_told_without_dagster():
    """orchestration/story.py imports neither Dagster nor dbt (ADR 0007)."""
    story = next(m for m in modules() if m.path == "orchestration/story.py")
    assert not any(name.split(".")[0] in {"dagster", "dbt"} for name in story.imports)
