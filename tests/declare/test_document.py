"""Reading YAML: a strict subset, every failure a problem with its line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.declare.document import Document, parse
from lakehouse.declare.findings import Findings
from lakehouse.errors import Problem


def read(raw: bytes) -> tuple[Document | None, list[Problem]]:
    findings = Findings()
    return parse(raw, "file.yaml", findings), findings.problems


def data(text: str) -> dict[str, object]:
    document, problems = read(text.encode())
    assert problems == []
    assert document is not None
    return dict(document.data)


def test_norway_stays_a_country():
    """`no`, `on`, `yes` and dates are text; only true and false are booleans, only null and nothing are null."""
    text = "a: no\nb: on\nc: yes\nd: 2013-01-01\ne: true\nf: null\ng:\nh: 'true'\ni: 1.0.0\nj: 08\nk: 0x10\nl: 1e3\nm: .inf\n"
    text += "n: 99999999999999999999\no: 1.\n"
    assert data(text) == {
        "a": "no",
        "b": "on",
        "c": "yes",
        "d": "2013-01-01",
        "e": True,
        "f": None,
        "g": None,
        "h": "true",
        "i": "1.0.0",
        "j": 8,
        "k": 16,
        "l": 1000.0,
        "m": ".inf",
        "n": "99999999999999999999",
        "o": 1.0,
    }


def test_every_path_has_its_line():
    """A place names the line of the key or item; of what is missing, the nearest that is there."""
    document, _ = read(b"a: 1\nb:\n  - x\n  - {c: 1,\n     d: 2}\n")
    assert document is not None
    assert [document.place(*keys).line for keys in (("a",), ("b", 0), ("b", 1, "d"), ("b", 1, "gone"), ())] == [1, 3, 5, 4, 1]
    assert str(document.place("b", 1, "d")) == "file.yaml:$.b[1].d"


def test_a_byte_order_mark_is_no_text():
    """Files of editors that write a BOM are read."""
    document, problems = read(b"\xef\xbb\xbfa: 1\n")
    assert (problems, document and document.data) == ([], {"a": 1})


@pytest.mark.parametrize(
    ("raw", "line", "said"),
    [
        (b"a: 1\nb: &x 2\n", 2, "anchor"),
        (b"a: 1\nb: *x\n", 2, "alias"),
        (b"a: 1\nb: 2\na: 3\n", 3, "twice (first on line 1)"),
        (b"a: !!python/object:os.system x\n", 1, "tag"),
        (b"a: !!str 3\n", 1, "tag"),
        (b"a: 1\n---\nb: 2\n", 2, "more than one document"),
        (b"a: 1\nb: \xff\n", 2, "UTF-8"),
        (b"a: 1\nb: \0\n", 2, "NUL"),
        (b"a: " + b"[" * 50_000, 1, "nested deeper"),
        (b"a: {b: 1\nc: 2\n", 2, "not YAML"),
        (b"a: b: c\n", 1, "not YAML"),
        (b"a: \x07\n", 0, "not YAML"),
        (b"- 1\n", 1, "no mapping"),
        (b"", 1, "no mapping"),
        (b"? [a]\n: 1\n", 1, "key that is a list"),
        (b"a: " + b"x" * 1_000_001, 0, "larger than"),
    ],
)
def test_what_is_refused_is_said_with_its_line(raw: bytes, line: int, said: str):
    """Sharing, tags, doubles, other encodings and endless nesting are one problem each, with line and hint."""
    document, problems = read(raw)
    assert document is None
    (problem,) = problems
    assert problem.line == line
    assert said in problem.message
    assert problem.hint


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(alphabet="ab:-[]{}\"'&*!|>#%@`\n\t ,?0.~", max_size=80).map(str.encode)))
def test_no_bytes_raise(raw: bytes):
    """Whatever the bytes, there is either a document or a problem with a hint."""
    document, problems = read(raw)
    assert (document is None) == bool(problems)
    assert all(p.hint and p.message for p in problems)
