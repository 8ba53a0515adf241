"""The command as a whole: light to start, documented, and never a traceback for bad input."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence

import pytest

from lakehouse.mesh import Mesh
from lakehouse.settings import Settings
from lakemesh.cli import invoke
from scripts.cli_reference import MARK, PAGE, ROOT, reference
from tests.cli.conftest import MONDAY, Shop

HEAVY = ("dagster", "dbt", "duckdb", "pandas", "polars", "pyarrow", "pydantic", "pyiceberg", "rich", "soda_core", "sqlalchemy", "sqlglot")
ON_AN_ADDRESS = ["batches", "log", "show", "read", "rollback", "lineage", "quarantine list", "quarantine show", "quarantine replay"]
ON_A_SELECTION = ["check", "test", "plan", "run", "maintain", "verify"]


def mesh(*words: str, cwd: object = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "lakemesh", *words], cwd=str(cwd or ROOT), capture_output=True, text=True, check=False)


def test_help_imports_nothing_heavy():
    """`mesh --help` answers at once because it loads no engine, no orchestrator and no catalog."""
    program = "import sys; from lakemesh.cli import invoke; invoke(['--help']); sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Commands:" in done.stdout
    assert [name for name in HEAVY if name in done.stderr.split()] == []


@pytest.mark.integration
def test_the_reference_is_what_the_command_says():
    """docs/reference/cli.md has every command with its true help (`python scripts/cli_reference.py --write`)."""
    assert PAGE.read_text().partition(MARK)[2] == reference().partition(MARK)[2]


@pytest.mark.parametrize("command", [*ON_AN_ADDRESS, *ON_A_SELECTION])
@pytest.mark.parametrize("address", ["nowhere.orders", "../x\x00", ""])
def test_an_address_that_means_nothing(untouched: Shop, command: str, address: str):
    """Every command that takes an address: exit 2, a hint, one JSON document, nothing on stderr, nothing changed."""
    said = untouched.json(*command.split(), address)
    assert (said.code, said.err) == (2, "")
    assert said.error["hint"]


def test_a_misspelt_address_is_suggested(untouched: Shop):
    """The nearest port is named."""
    assert "'sales.orders'" in untouched.json("run", "sales.oders").error["hint"]


BROKEN: Sequence[tuple[str, bytes]] = (
    ("domains/sales/orders/product.odps.yaml", b"\x00\xff\xfe"),
    ("domains/sales/orders/product.odps.yaml", b"- a\n- b\n"),
    ("domains/sales/orders/product.odps.yaml", b"kind: [unclosed\n"),
    ("domains/sales/orders/orders.odcs.yaml", b"a: &x 1\nb: *x\n"),
    ("domains/sales/orders/orders.odcs.yaml", b""),
    ("domains/sales/domain.yaml", b"purpose: 1\n"),
)


@pytest.mark.parametrize("command", ["check", "plan", "run", "log sales.orders"])
@pytest.mark.parametrize(("file", "content"), BROKEN, ids=[f"{f.rpartition('/')[2]}-{n}" for n, (f, _) in enumerate(BROKEN)])
def test_a_broken_declaration(declared: Shop, command: str, file: str, content: bytes):
    """Every command over broken declarations: exit 1, the problems with place and hint, nothing changed."""
    (declared.root / file).write_bytes(content)
    before = declared.state()
    said = declared.json(*command.split())
    assert said.code == (1 if command != "log sales.orders" or "error" not in said.json else said.code)
    problems = said.json.get("problems") or said.json["error"].get("problems", [said.json["error"]])
    assert all(p["hint"] for p in problems)
    assert said.err == ""
    assert declared.state() == before


@pytest.mark.parametrize("as_folder", ["domains/sales/domain.yaml", "domains/sales/orders/orders.odcs.yaml", "mesh.toml"])
def test_a_folder_where_a_file_should_be(declared: Shop, as_folder: str):
    """A folder with a declaration's name is a problem, not a crash."""
    path = declared.root / as_folder
    path.unlink()
    path.mkdir()
    said = declared.json("check")
    assert said.code in (1, 2)
    assert said.out.startswith("{")


@pytest.mark.parametrize(
    "settings",
    [
        "[checks]\nruner = 1\n",
        "[checks",
        "checks = 1\n",
        "\udcff",
        '[checks]\nrunner = "spark"\n',
        '[engine]\nmemory_limit = "lots"\n',
        "\x00",
    ],
)
def test_settings_that_cannot_be(declared: Shop, settings: str):
    """A wrong mesh.toml is exit 2 with its place."""
    (declared.root / "mesh.toml").write_bytes(settings.encode("utf-8", "surrogateescape"))
    said = declared.json("run")
    assert said.code == 2
    assert said.error["place"] == "mesh.toml"


@pytest.mark.parametrize(
    ("text", "meant"), [("[cheks]\n", "'checks'"), ("[checks]\nruner = 1\n", "'runner'"), ("[engine]\nx = 1\n", "threads")]
)
def test_a_misspelt_setting_suggests_the_right_one(declared: Shop, text: str, meant: str):
    """As a misspelt key of a declaration does."""
    (declared.root / "mesh.toml").write_text(text)
    assert meant in declared.json("run").error["message"]


def test_a_source_where_nothing_lies_is_told(empty: Shop):
    """`unchanged` alone would hide a slip in the path; it is no error, as files may be yet to come."""
    empty.arrive("monday.csv", MONDAY)
    assert empty.orders().code == 0
    (empty.landing / "monday.csv").unlink()
    said = empty.mesh("run")
    assert (said.code, "nothing has arrived yet at" in said.err) == (0, True)


def test_a_store_that_is_none(declared: Shop):
    """A file in the store's place is exit 3, in one sentence."""
    (declared.root / ".mesh").mkdir(exist_ok=True)
    (declared.root / ".mesh/mesh.db").write_bytes(b"garbage" * 100)
    said = declared.json("show", "sales.orders")
    assert said.code == 3
    assert "file is not a database" in said.error["message"]
    assert "\n" not in said.error["message"]


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["run", "--nonsense"],
        ["discard", "sales.orders", "--batch", "x"],
        ["discard", "sales.orders", "--batch", "zzz", "--reason", "r"],
        ["discard", "sales.orders", "--batch", "", "--reason", " "],
        ["run", "--partition", "a", "--from", "b"],
        ["run", "--partition", "2024-01-01"],
        ["lineage", "sales"],
        ["run", "--from", "2024-01-02", "--to", "2024-01-01"],
        ["run", "--batch", "zzz", "sales.orders"],
        ["run", "--batch", "zzz", "sales.orders", "stock"],
        ["rollback", "sales.orders", "--yes"],
        ["rollback", "sales.orders", "--to", "zzz", "--yes"],
        ["quarantine", "show", "sales.orders", "--id", "zzz"],
        ["quarantine", "nonsense"],
        ["lineage", "sales.orders.nothing"],
        ["lineage", "sales.orders", "--depth", "0"],
        ["batches", "sales.orders", "--state", "lost"],
        ["log"],
        ["up", "--listen", "here"],
        ["init", "mesh.toml"],
        ["--root", "/no/such/mesh", "run"],
    ],
    ids=" ".join,
)
def test_wrong_use(untouched: Shop, words: list[str]):
    """What means nothing is exit 2 with a message and a hint, as one JSON document."""
    said = untouched.json(*[str(untouched.root / w) if w == "mesh.toml" else w for w in words])
    assert said.code == 2, said.out
    assert said.error["message"]
    assert said.error["hint"]


def test_global_options_stand_anywhere(untouched: Shop, capsys: pytest.CaptureFixture[str]):
    """`mesh check --json --root DIR` is what people type."""
    assert invoke(["check", "--json", "--root", str(untouched.root)]) == 0
    assert json.loads(capsys.readouterr().out) == {"problems": []}


def test_examples_are_held_against_the_product(declared: Shop):
    """An example passes when it is so, and says else in which column a row differs from the expectation."""
    file = declared.contract.parent / "examples.yaml"
    given = "given: {landed: [{order_id: 1, amount: 2.5}, {order_id: 2}]}"
    file.write_text(f"- name: as they are\n  {given}\n  expect: {{orders: [{{order_id: 2, amount: null}}, {{order_id: 1}}]}}\n")
    assert declared.json("test").json["tests"] == [
        {"address": "sales.orders", "name": "as they are", "outcome": "passed", "difference": ""}
    ]
    file.write_text(f"- name: wrong\n  {given}\n  expect: {{orders: [{{order_id: 1, amount: 3}}, {{order_id: 2}}]}}\n")
    said = declared.json("test")
    assert said.code == 1
    assert "amount: expected 3.0, got 2.5" in said.json["tests"][0]["difference"]
    file.write_text("- name: odd\n  given: {landed: [{oder_id: 1}]}\n  expect: {order: []}\n")
    said = declared.json("test")
    assert said.code == 1
    assert "did you mean 'order_id'" in said.json["tests"][0]["difference"]
    assert "did you mean 'orders'" in said.json["tests"][0]["difference"]


@pytest.mark.parametrize("text", ["examples:\n  - name: one\n", "name: one\n"])
def test_examples_are_a_list(declared: Shop, text: str):
    """Anything else is one problem, which says how such a file begins."""
    (declared.contract.parent / "examples.yaml").write_text(text)
    said = declared.json("test")
    assert said.code == 1
    assert "begin with `- name: ...`" in said.json["tests"][0]["difference"]


def test_a_mesh_of_which_nothing_can_be_read_is_not_shown_as_empty(declared: Shop):
    """With every declaration broken there is no port to list, and that is not the answer."""
    declared.contract.write_text("{")
    said = declared.json("show")
    assert said.code == 1
    assert said.error["message"]


def test_what_is_shared_between_processes_is_tidied_up_in_silence(untouched: Shop):
    """The command ends at once, as one that ran dbt does: Python's tracker removes the locks, and does not say so on stderr."""
    script = (
        "import multiprocessing, lakemesh.cli as cli\n"
        "def invoke(words):\n"
        "    global kept\n"
        "    kept = multiprocessing.get_context('spawn').Lock()\n"
        "    return 0\n"
        "cli.invoke = invoke\n"
        "cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=untouched.root, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_row_that_breaks_a_rule_is_not_shown_by_an_example(declared: Shop):
    """An example judges as the gate does: row rules set aside, a broken key fails."""
    file = declared.contract.parent / "examples.yaml"
    given = "given: {landed: [{order_id: 1}, {order_id: 1}, {amount: 1}]}"
    file.write_text(f"- name: twice\n  {given}\n  expect: {{orders: [{{order_id: 1}}, {{order_id: 1}}]}}\n")
    (test,) = declared.json("test").json["tests"]
    assert test["difference"] == "orders: rule order_id_unique: 1 of 2 rows"


@pytest.mark.integration
def test_pytest_finds_the_examples(declared: Shop):
    """The plug-in makes each example a test, with the difference as its failure."""
    file = declared.contract.parent / "examples.yaml"
    file.write_text(
        "- name: right\n  given: {landed: [{order_id: 1}]}\n  expect: {orders: [{order_id: 1}]}\n"
        "- name: wrong\n  given: {landed: [{order_id: 1}]}\n  expect: {orders: []}\n"
    )
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "domains"]
    done = subprocess.run(words, cwd=declared.root, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert 'orders: not expected {"order_id": 1}' in done.stdout


def test_lineage_of_a_port_and_a_column(untouched: Shop):
    """A port comes from what it reads, a column from its like."""
    assert untouched.json("lineage", "sales.orders").json["edges"][0]["source"] == "sales.orders/landed"
    edge = untouched.json("lineage", "sales.orders.amount").json["edges"][0]
    assert (edge["source"], edge["target"], edge["method"]) == ("sales.orders/landed.amount", "sales.orders.amount", "name")


def test_show_tells_what_is_declared(untouched: Shop):
    """Show has the keys that interface.md promises, also before the first publication."""
    known = untouched.json("show", "sales.orders").json
    promised = {"address", "status", "owner", "version", "publication", "schema", "rules", "servers", "location", "catalog"}
    assert known.keys() >= promised
    assert known["publication"] is None
    assert [p["address"] for p in untouched.json("show").json["ports"]] == ["sales.orders"]
    assert "order_id" in untouched.mesh("show", "sales.orders").out


def test_check_gives_a_cloned_mesh_the_schemas_of_its_modelines(declared: Shop):
    """State is not committed: what a clone's files name as their schemas is there after the first check."""
    shutil.rmtree(declared.root / ".mesh")
    assert declared.mesh("check").code == 0
    for file in (declared.root / "domains").rglob("*.yaml"):
        (schema,) = re.findall(r"\$schema=(\S+)", file.read_text())
        assert (file.parent / schema).resolve().is_file()


def test_doctor_finds_everything(untouched: Shop):
    """Doctor looks and makes nothing."""
    said = untouched.json("doctor")
    assert {f["about"] for f in said.json["findings"]} >= {"python", "mesh", "check runner", "lineage", "disk", "declarations", "store"}


def test_doctor_counts_what_a_receiver_refused(declared: Shop):
    """Lineage that was set aside for good is not forgotten: doctor says how much, and what the receiver answered."""
    with Mesh.open(Settings.find(declared.root)) as mesh:
        with mesh.store.writing() as con:
            mesh.store.say(con, "lineage", "run-1", {}, mesh.now())
        mesh.store.set_aside(mesh.store.waiting("lineage")[0][0], "400 no eventTime")
    (found,) = (f for f in declared.json("doctor").json["findings"] if f["about"] == "lineage refused")
    assert (found["what"], found["ok"]) == ("1 events set aside, the last of run run-1: 400 no eventTime", True)


@pytest.mark.integration
def test_an_internal_error_is_one_line(declared: Shop):
    """What should not have happened says so without a traceback; -v shows it."""
    program = "import lakemesh.selection as s; s.products = None; from lakemesh.cli import main; main()"
    for verbose in ((), ("-v",)):
        words = [sys.executable, "-c", program, "--root", str(declared.root), *verbose, "plan"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert "internal error: TypeError" in done.stderr
        assert ("Traceback" in done.stderr) is bool(verbose)
        told = subprocess.run([*words, "--json"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert "internal error: TypeError" in json.loads(told.stdout)["error"]["message"]


@pytest.mark.integration
def test_a_closed_pipe_is_quiet(declared: Shop):
    """Who reads only the beginning hears no complaint."""
    words = [sys.executable, "-m", "lakemesh", "--root", str(declared.root), "query", "select * from range(300000)", "--format", "csv"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == "range\n"
        child.stdout.close()
        assert child.stderr.read() == ""
        assert child.wait() == 0
