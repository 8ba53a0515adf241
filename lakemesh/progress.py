"""How far a run is, on stderr: a bar on a terminal, elsewhere a line now and then.

Next: `commands/run.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lakemesh.session import note

if TYPE_CHECKING:
    from rich.progress import TaskID

    from lakehouse.declare.product import Product

    Watch = Callable[[Product, int, int], None]

A_LINE_EVERY = 100


@contextmanager
def watching() -> Iterator[Watch]:
    """What a run tells its progress: `(product, number, due)`, 0 of 0 when a product begins."""
    if sys.stderr.isatty():
        with _bars() as watch:
            yield watch
    else:
        yield _lines


def _lines(product: Product, number: int, due: int) -> None:
    if not due:
        note(f"{product.address} ...")
    elif number % A_LINE_EVERY == 0 and number < due:
        note(f"{product.address}: {number:,} of {due:,} batches")


@contextmanager
def _bars() -> Iterator[Watch]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def watch(product: Product, number: int, due: int) -> None:
            name = str(product.address)
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=None)
            bars.update(tasks[name], completed=number, total=due or None)

        yield watch
