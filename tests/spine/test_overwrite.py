"""Write mode overwrite: the port is computed anew from all of its inputs."""

from __future__ import annotations

import pytest

from lakehouse.testing import Property
from tests.spine.tried import Tried

LIST: dict[str, Property] = {"code": "string", "name": {"logicalType": "string", "required": True}}


@pytest.fixture
def codes(here: Tried) -> Tried:
    here.product("ref.codes", columns=LIST, key=["code"], write="overwrite")
    here.deliver("ref.codes", "a.csv", [{"code": "A", "name": "Alpha"}])
    here.deliver("ref.codes", "b.csv", [{"code": "B", "name": "Beta"}])
    assert here.results("ref.codes") == ["published"]
    return here


def test_all_that_lies_there_is_the_port(codes: Tried):
    """Every file in the folder counts, each time anything changed."""
    assert codes.rows("ref.codes") == [("A", "Alpha"), ("B", "Beta")]
    codes.deliver("ref.codes", "c.csv", [{"code": "C", "name": "Gamma"}])
    assert codes.results("ref.codes") == ["published"]
    assert [r[0] for r in codes.rows("ref.codes")] == ["A", "B", "C"]


def test_new_content_replaces_the_old(codes: Tried):
    """New content under a known path is computed anew, and its quarantine is the new one's."""
    codes.deliver("ref.codes", "b.csv", [{"code": "B", "name": None}, {"code": "D", "name": "Delta"}])
    codes.run("ref.codes")
    assert [r[0] for r in codes.rows("ref.codes")] == ["A", "D"]
    assert len(codes.quarantined("ref.codes")) == 1
    codes.deliver("ref.codes", "b.csv", [{"code": "B", "name": "Beta!"}])
    codes.run("ref.codes")
    assert codes.rows("ref.codes") == [("A", "Alpha"), ("B", "Beta!")]
    assert codes.quarantined("ref.codes") == []


def test_unchanged_is_nothing(codes: Tried):
    """The same files again are nothing to do."""
    assert codes.results("ref.codes") == []


def test_new_code_is_computed_anew(codes: Tried):
    """A changed transform computes the port again from the same files."""
    codes.product("ref.codes", columns=LIST, key=["code"], write="overwrite", transform=SHOUT)
    assert codes.results("ref.codes") == ["published"]
    assert codes.rows("ref.codes") == [("A", "ALPHA"), ("B", "BETA")]


SHOUT = """
    import duckdb

    def codes(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed.project("code, upper(name) as name")
"""


def test_a_list_that_has_become_empty_blocks(codes: Tried):
    """Zero rows never replace a full port unless `allowEmpty` is declared."""
    for name in ("a.csv", "b.csv"):
        codes.deliver("ref.codes", name, "code,name\n")
    assert codes.results("ref.codes") == ["blocked"]
    assert len(codes.rows("ref.codes")) == 2


def test_an_allowed_empty_list_is_published(here: Tried):
    """With `allowEmpty` zero rows are a state like any other."""
    here.product("ref.codes", columns=LIST, write="overwrite", declared={"allowEmpty": True})
    here.deliver("ref.codes", "a.csv", [{"code": "A", "name": "Alpha"}])
    here.run("ref.codes")
    here.deliver("ref.codes", "a.csv", "code,name\n")
    assert here.results("ref.codes") == ["published"]
    assert here.rows("ref.codes") == []


def test_a_file_that_was_taken_away_no_longer_counts(codes: Tried):
    """With the next change the port holds what lies there then."""
    (codes.landing("ref.codes") / "a.csv").unlink()
    codes.deliver("ref.codes", "c.csv", [{"code": "C", "name": "Gamma"}])
    codes.run("ref.codes")
    assert [r[0] for r in codes.rows("ref.codes")] == ["B", "C"]


def test_a_rejected_state_that_is_tried_again_leaves_no_file_behind(codes: Tried):
    """Only the newest try of the same rejected files is kept for inspection; `here` verifies that nothing else lies about."""
    codes.deliver("ref.codes", "b.csv", [{"code": "A", "name": "Alpha again"}])
    assert codes.results("ref.codes") == ["blocked"]
    assert codes.results("ref.codes", force=True) == ["blocked"]
    codes.product("ref.codes", columns=LIST, key=["code"], write="overwrite", transform=SHOUT)
    assert codes.results("ref.codes") == ["blocked"]
    assert codes.rows("ref.codes") == [("A", "Alpha"), ("B", "Beta")]


def test_a_rejected_state_of_other_ports_that_is_tried_again_leaves_no_file_behind(codes: Tried):
    """The same of a product that reads ports: its rejected state is replaced by the next try's, and no file stays of the first."""
    doubled = (
        "import duckdb\ndef names(codes: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:\n    return codes.project(\"'x' as code\")\n"
    )
    codes.product("ref.names", columns={"code": "string"}, reads={"codes": "ref.codes"}, key=["code"], write="overwrite", transform=doubled)
    assert codes.results("ref.names") == ["blocked"]
    assert codes.results("ref.names", force=True) == ["blocked"]
