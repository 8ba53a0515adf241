"""`python -m benchmarks NAME [--json]`: run one benchmark, or list them. A benchmark is a function that gives its figures."""

from __future__ import annotations

import argparse
import json
from importlib import import_module

REGISTRY = {
    "p1": "benchmarks.p1_batch:run",
    "p1-small": "benchmarks.p1_batch:run_small",
    "p2": "benchmarks.p2_increment:run",
    "p2-full": "benchmarks.p2_increment:run_full",
    "p10": "benchmarks.p10_first:run",
    "p11": "benchmarks.p11_cold:run",
    "p8": "benchmarks.p8_gate:run",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Each figure with its floor, from the same run.")
    parser.add_argument("name", choices=[*sorted(REGISTRY), "all"], type=str.lower, help="all leaves out the short and the full forms")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    figures = _all() if arguments.name == "all" else _figures(arguments.name)
    print(json.dumps(figures) if arguments.json else "\n".join(_lines(figures)))


def _all() -> dict[str, object]:
    return {name: _figures(name) for name in REGISTRY if "-" not in name}


def _figures(name: str) -> dict[str, object]:
    module, _, function = REGISTRY[name].partition(":")
    figures: dict[str, object] = getattr(import_module(module), function)()
    return figures


def _lines(figures: dict[str, object], indent: str = "") -> list[str]:
    lines = []
    for name, value in figures.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name}: {round(value, 2) if isinstance(value, float) else value}")
    return lines


if __name__ == "__main__":
    main()
