"""How dbt's words become ours."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from lakehouse.errors import TransformFailed
from lakehouse.settings import Engine
from orchestration.dbt import names_a_table, verdict
from orchestration.dbt_compiled import normalised
from orchestration.dbt_project import Node, Project, Result

MODEL = "\nselect\n    {{ twice('amuont') }}\nfrom {{ source('sales', 'orders') }}\n"
COMPILED = 'select\n    2 * amuont\nfrom "ports"."sales"."orders"'


@pytest.mark.parametrize(
    ("message", "place", "what"),
    [
        (
            'Runtime Error in model a__b (models/a/b/a__b.sql)\n  Binder Error: no column "amuont"\n  \n  LINE 9:     2 * amuont\n  ^',
            "dbt/models/a/b/a__b.sql (line 3)",
            'dbt: Runtime Error in model a__b (models/a/b/a__b.sql) Binder Error: no column "amuont"',
        ),
        (
            "Compilation Error in model a__b (models/a/b/a__b.sql)\n  unexpected '}'\n    line 4\n      from {{ x }",
            "dbt/models/a/b/a__b.sql (line 4)",
            "dbt: Compilation Error in model a__b (models/a/b/a__b.sql) unexpected '}' from {{ x }",
        ),
        ("Runtime Error\n  Could not find profile", "dbt/dbt_project.yml", "dbt: Runtime Error Could not find profile"),
    ],
)
def test_what_dbt_says_becomes_a_sentence_with_a_place(tmp_path: Path, message: str, place: str, what: str):
    """DuckDB's line is found in the file, Jinja's is taken as it is, and what is about no file is about the project."""
    file = tmp_path / "dbt/models/a/b/a__b.sql"
    file.parent.mkdir(parents=True)
    file.write_text(MODEL)
    error = Project(folder=tmp_path / "dbt", home=tmp_path, engine=Engine()).failure(message, COMPILED)
    assert isinstance(error, TransformFailed)
    assert (error.place, error.what) == (place, what)


def test_a_query_is_the_same_however_it_is_laid_out():
    """Layout and comments are no change; another column is; text that is no query stands for itself."""
    assert normalised("select a, -- why\n b from t") == normalised("SELECT a, b\nFROM t")
    assert normalised("select a from t") != normalised("select b from t")
    assert normalised("select (") == "select ("


def test_what_stands_on_its_own_is_told_from_what_does_not():
    """Files and values can be read by another database; a table or view cannot."""
    with duckdb.connect() as connection:
        assert not names_a_table(connection, "(select a from read_parquet(['/nowhere.parquet']))")
        assert not names_a_table(connection, "(select null::integer as a where false)")
        assert names_a_table(connection, "(select a from landed)")


@pytest.mark.parametrize(
    ("status", "outcome", "blocks"),
    [
        ("pass", "passed", False),
        ("fail", "failed", True),
        ("warn", "failed", False),
        ("error", "not_evaluated", True),
        ("skipped", "not_evaluated", True),
        (None, "not_evaluated", True),
    ],
)
def test_a_verdict_fails_closed(status: str | None, outcome: str, blocks: bool):  # noqa: FBT001
    """What dbt did not evaluate, or has no result for, blocks; within its own thresholds a test only warns."""
    test = Node(id="test.t", name="t", kind="test", language="sql", file="dbt/tests/t.sql", reads=())
    result = Result(name="t", status=status, message="", failing=3, relation=None, compiled="") if status else None
    found = verdict(test, result)
    assert (found.rule, found.outcome, found.blocks) == ("dbt_t", outcome, blocks)
