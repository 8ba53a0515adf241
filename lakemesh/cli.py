"""The `mesh` command: what it is called with, and how it ends. Each command's own module is in `commands/`.

Exit: 0 yes or done, 1 the answer is no, 2 wrong use, 3 the world is in the way. Next: `session.py`.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer
from typer.main import get_command

from lakehouse.errors import MeshError, Unavailable, WrongUse
from lakemesh.commands import account, back, declare, lineage, make, read, run, upkeep
from lakemesh.session import Session

app = typer.Typer(
    name="mesh",
    help="Data products from declarations: check, run, read.",
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    context: typer.Context,
    *,
    root: Annotated[
        Path | None, typer.Option("--root", metavar="DIR", help="The mesh; default MESH_ROOT, else the nearest upwards.")
    ] = None,
    home: Annotated[Path | None, typer.Option("--home", metavar="DIR", help="Its state; default MESH_HOME, else ROOT/.mesh.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print exactly one JSON document.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say more on stderr; show where an internal error came from.")] = False,
) -> None:
    context.obj = Session(root=root, home=home, json=json, verbose=verbose)


new = typer.Typer(rich_markup_mode=None, help="Make a domain or a product.")
new.command("domain")(make.domain)
new.command("product")(make.product)

quarantine = typer.Typer(rich_markup_mode=None, help="Rows that were set aside: see, replay or discard them.")
quarantine.command("list")(back.listed)
quarantine.command("show")(back.shown)
quarantine.command("replay")(back.replayed)
quarantine.command("discard")(back.discarded)

app.command("init")(make.init)
app.add_typer(new, name="new")
app.command("check")(declare.check)
app.command("test")(declare.examples)
app.command("plan")(declare.plan)
app.command("run")(run.run)
app.command("batches")(account.batches)
app.command("discard")(account.discard)
app.command("query")(read.query)
app.command("read")(read.read)
app.command("show")(account.show)
app.command("log")(account.log)
app.add_typer(quarantine, name="quarantine")
app.command("rollback")(back.rollback)
app.command("lineage")(lineage.lineage)
app.command("maintain")(upkeep.maintain)
app.command("verify")(upkeep.verify)
app.command("doctor")(upkeep.doctor)
app.command("up")(upkeep.up)


def invoke(arguments: Sequence[str]) -> int:
    """Run the command; say what went wrong, and give the exit code."""
    words = _options_first(arguments) or ["--help"]
    try:
        return get_command(app).main(words, prog_name="mesh", standalone_mode=False) or 0
    except (MeshError, typer.TyperException, RecursionError) as error:
        return _fail(_meant(error), as_json="--json" in words)
    except typer.Abort:
        return 130
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            return 0  # the reader has seen enough; typer ends so
        told = MeshError("product code ended the process", hint="raise an error instead of calling sys.exit")
        return _fail(told, as_json="--json" in words)


def _meant(error: MeshError | typer.TyperException | RecursionError) -> MeshError:
    """What typer or the interpreter could not do, in the form of our own errors."""
    match error:
        case MeshError():
            return error
        case RecursionError():
            return MeshError("the input is nested too deeply", hint="flatten it")
        case _:
            words = error.format_message() if isinstance(error, typer.BadParameter) else str(getattr(error, "message", error))
            return WrongUse(words.rstrip("."), hint="mesh --help, or mesh COMMAND --help, says what can be given")


def main() -> None:
    """The entry point: as `invoke`, without a traceback, and without waiting for the interpreter to tidy up."""
    sys.excepthook = _internal
    # imports make many objects and no garbage; `Session.open` lets the collector look again, at what comes after them
    gc.disable()
    # what libraries share between processes is removed by Python's tracker when this one ends, which says so otherwise
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")
    try:
        code = invoke(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader has seen enough; stdout must not complain again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        code = _fail(Unavailable(f"the answer cannot be written: {error.strerror}", hint="is the disk full?"), as_json=False)
    sys.stderr.flush()
    os._exit(code)


_FLAGS = ("--json", "-v", "--verbose")
_VALUES = ("--root", "--home")
_ASSIGNED = ("--root=", "--home=")


def _options_first(arguments: Sequence[str]) -> list[str]:
    """The global options may stand anywhere: `mesh check --json` is what people type."""
    first: list[str] = []
    rest: list[str] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word == "--":
            return [*first, *rest, word, *words]
        if word in _FLAGS or word.startswith(_ASSIGNED):
            first.append(word)
        elif word in _VALUES:
            first += [word, *words[:1]]
            words = words[1:]
        else:
            rest.append(word)
    return [*first, *rest]


def _fail(error: MeshError, *, as_json: bool) -> int:
    from lakemesh.failures import document

    if as_json:
        from lakemesh.render import to_json

        sys.stdout.write(to_json({"error": document(error)}) + "\n")
    else:
        sys.stderr.write(f"{error}\n")
    return error.exit_code


def _internal(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What should not have happened: one line, and the traceback on demand."""
    if {"-v", "--verbose"} & set(sys.argv):
        sys.__excepthook__(kind, error, trace)
    if "--json" in sys.argv:
        _fail(MeshError(f"internal error: {kind.__name__}: {error}", hint="mesh -v shows where; please report it"), as_json=True)
    sys.stderr.write(f"internal error: {kind.__name__}: {error}\n  hint: mesh -v shows where; please report it\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)  # as always: without what libraries have to say when the interpreter tidies up
