"""What a run could not judge is a problem of the declaration: said by `mesh check`, before anything is published."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.declared import load
from lakehouse.errors import DeclarationError
from lakehouse.testing import MeshFolder, Property

OURS = {"property": "lakemesh", "vendor": "lakemesh"}
SQL = {
    "no SQL": ("selec 1", "syntax error"),
    "no such column": ("select count(*) from ${table} where nope > 1", "nope"),
    "two statements": ("select 0; select 1", "one SELECT"),
    "no SELECT": ("drop table ${table}", "one SELECT"),
    "another variable": ("select count(*) from ${tabel}", "syntax error"),
    "a column where there is none": ("select count(${column}) from ${table}", "${column}"),
    "another table": ("select count(*) from shop.orders", "shop"),
    "a file": ("select count(*) from read_text('/etc/passwd')", "disabled"),
    "good": ("select count(*) from ${table} where amount < 0", None),
}
EXPRESSIONS = {
    "no SQL": ("amount >", "syntax error"),
    "no such column": ("nope > 1", "nope"),
    "of many rows": ("sum(amount) > 1", "aggregates"),
    "a query": ("amount > (select 1)", "one row"),
    "good": ("amount > 0 or id is null", None),
}
CASES = [
    (f"{kind}: {name}", kind, text, said) for kind, some in (("query", SQL), ("row", EXPRESSIONS)) for name, (text, said) in some.items()
]


@pytest.mark.parametrize(("kind", "text", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_sql_is_read_before_a_run(tmp_path: Path, kind: str, text: str, said: str | None):
    """Its one problem has a place and a hint, its product is broken, and the other products are not."""
    here = MeshFolder(tmp_path)
    rule: dict[str, object] = {"type": "sql", "query": text if kind == "query" else "select 1", "mustBe": 0}
    if kind == "row":
        rule["customProperties"] = [{**OURS, "value": {"rowExpression": text}}]
    columns: dict[str, Property] = {"id": "integer", "amount": "integer"}
    here.product("shop.orders", columns=columns)
    here.product("shop.sales", columns=columns, quality=[rule])
    found = load(here.root)
    if said is None:
        assert not found.problems
        return
    (problem,) = found.problems
    assert said in problem.message
    assert (problem.file, bool(problem.hint)) == ("domains/shop/sales/sales.odcs.yaml", True)
    assert ([str(a) for a in found.products], [str(a) for a in found.broken]) == (["shop.orders"], ["shop.sales"])
    with pytest.raises(DeclarationError):
        here.open()
