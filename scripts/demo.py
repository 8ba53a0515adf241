"""`make demo`: a year of flights becomes governed products, through the command that people type. It ends by itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MESH = Path(sys.executable).with_name("mesh")
STARTED = monotonic()
QUESTION = (
    "select rank, carrier_name, scheduled, on_time_percent from punctuality.carrier_ranking where rank is not null order by rank limit 5"
)


def say(title: str) -> None:
    bold = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold[0]}{title}{bold[1]}  ({monotonic() - STARTED:.0f} s)", flush=True)


def mesh(*words: str, expect: Sequence[int] = (0,)) -> None:
    """Run the command as a person would, its answer on the screen."""
    print(f"$ mesh {' '.join(w if ' ' not in w else repr(w) for w in words)}", flush=True)
    code = subprocess.run([MESH, *words], cwd=ROOT, check=False).returncode
    if code not in expect:
        sys.exit(f"mesh {words[0]} ended with {code}, expected {' or '.join(map(str, expect))}")


def asked(*words: str) -> Any:
    """The command's JSON answer."""
    answer = subprocess.run([MESH, "--json", *words], cwd=ROOT, check=False, capture_output=True, text=True)
    return json.loads(answer.stdout)


def arrive(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "simulation", *words], cwd=ROOT, check=True)


def begin_anew() -> None:
    """The demo tells a story from its beginning: what an earlier one left goes, what it did not make stays."""
    home, mark = ROOT / ".mesh", ROOT / ".mesh" / "made-by-demo"
    if (home / "mesh.db").exists() and not mark.exists():
        sys.exit(f"{home} holds state that the demo did not make\n  hint: move it away, or make clean")
    for folder in (home, ROOT / "landing"):
        shutil.rmtree(folder, ignore_errors=True)
    home.mkdir()
    mark.touch()


def the_year() -> None:
    say("1. The year arrives: one file per local day")
    arrive()
    say("2. What is declared holds together")
    mesh("check")
    say("3. Every delivery is staged, audited and published")
    mesh("run")


def the_bad_days() -> None:
    say("4. Two bad days arrive: one must be rejected whole, of the other a single row cannot be read")
    arrive("--spoil")
    before = asked("query", "select count(*) as rows from operations.flights")[0]["rows"]
    mesh("run", "operations.flights", expect=(1,))
    after = asked("query", "select count(*) as rows from operations.flights")[0]["rows"]
    print(f"Readers saw {before:,} rows before and see {after:,} after: the good rows of the second day, nothing of the first.")
    mesh("batches", "operations.flights", "--state", "rejected")
    mesh("quarantine", "list", "operations.flights")


def the_consumer() -> None:
    say("5. A consumer asks: who is on time?")
    mesh("query", QUESTION)
    say("6. The books balance")
    mesh("verify")


def the_end() -> None:
    say("Done")
    print(f"""
state        {ROOT / ".mesh"}  (catalog and store: mesh.db, tables: warehouse/, lineage: lineage/events.jsonl)
deliveries   {ROOT / "landing"}

next
  make up                                          the Dagster UI: every product, its checks, its runs
  mesh show operations.flights                     everything about a product, and how to read it from elsewhere
  mesh log operations.flights                      its publications
  mesh read operations.flights_daily --where "flight_date = date '2013-02-08'"
  mesh lineage punctuality.carrier_ranking         where it comes from
  mesh rollback operations.flights                 take the last publication back
  docs/how-to/first-product.md                     your own CSV files as a product
(activate .venv, or write .venv/bin/mesh)""")


def main() -> None:
    begin_anew()
    the_year()
    the_bad_days()
    the_consumer()
    the_end()


if __name__ == "__main__":
    main()
