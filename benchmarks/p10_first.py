"""P10: the environment is ready; how long until the first publication can be read, and until `make demo` is through?

The demo runs once, in a clone of what is committed here, with this Python; the clone's store is looked at meanwhile.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAUSE = 0.05


def run() -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        log = Path(folder) / "demo.log"
        started = time.perf_counter()
        with log.open("w") as said, subprocess.Popen([sys.executable, "scripts/demo.py"], cwd=clone, stdout=said, stderr=said) as demo:
            first = _first_publication(clone / ".mesh" / "mesh.db", demo) - started
        seconds = time.perf_counter() - started
        if demo.returncode:
            raise RuntimeError(f"the demo ended with {demo.returncode}:\n{log.read_text()[-2000:]}")
    return {"first_publication_s": first, "demo_s": seconds}


def _first_publication(database: Path, demo: subprocess.Popen[bytes]) -> float:
    while demo.poll() is None and not _published(database):
        time.sleep(PAUSE)
    return time.perf_counter()


def _published(database: Path) -> bool:
    """Whether a reader of the store finds a publication; before the first there may be no table yet, and no file."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as store:
            return store.execute("select 1 from publications limit 1").fetchone() is not None
    except sqlite3.OperationalError:
        return False
