"""The part of docs/reference/cli.md that the command itself says: the help of every command. `--write` puts it there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "cli.md"
MARK = "## Every command\n"


def help_of(*command: str) -> str:
    """What `mesh COMMAND --help` prints, however wide the terminal."""
    words = [sys.executable, "-m", "lakemesh", *command, "--help"]
    return subprocess.run(["/usr/bin/env", "COLUMNS=100", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def listed(text: str) -> list[str]:
    """The names below `Commands:`."""
    _, _, below = text.partition("\nCommands:\n")
    return [line.split()[0] for line in below.splitlines() if line.startswith("  ") and not line.startswith("   ")]


def commands() -> Iterator[tuple[str, str]]:
    """Every command with its help, those of a group after it."""
    top = help_of()
    yield "mesh", top
    with ThreadPoolExecutor(2) as pool:
        for name, text in zip(listed(top), pool.map(help_of, listed(top)), strict=True):
            yield f"mesh {name}", text
            for below in listed(text):
                yield f"mesh {name} {below}", help_of(name, below)


def reference() -> str:
    return MARK + "".join(f"\n### {name}\n\n```text\n{text}\n```\n" for name, text in commands())


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(PAGE.read_text().partition(MARK)[0] + reference())
    else:
        print(reference())
