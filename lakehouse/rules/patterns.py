r"""Regular expressions of contracts: which of ECMA-262's can be executed, and those behind the string formats.

ODCS writes patterns in ECMA-262; DuckDB and Trino execute RE2. As in JSON Schema a pattern matches anywhere unless it is
anchored. What RE2 lacks on purpose (lookaround, back references) is refused when the contract is checked; `\s` and `\w` know ASCII only.
Next: `rows.py`.
"""

from __future__ import annotations

import re
import warnings

_LACKING = {
    r"\(\?<?[=!]": "lookahead and lookbehind",
    r"\\[1-9]|\\k": "back references",
    r"\(\?<(?![=!])": "groups named by (?<name>…)",
    r"\\[uc]": r"\u and \c escapes",
    r"\{(\d+,)?(?!1000\b)\d{4,}": "repeats of more than 1000",
    r"\(\?>|[*+?}]\+": "atomic groups and possessive repeats",
}
_ESCAPE = re.compile(r"\\[^1-9kuc]")
_CLASS = re.compile(r"\[\^?\]?[^]]*\]")
_OTHERS_OWN = re.compile(r"\\[pP](\{\^?\w+\}|\w)|\[\[:\^?\w+:\]")

FORMATS = {
    "email": r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$",
    "uuid": r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$",
    "uri": r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s]+$",
    "hostname": r"^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$",
    "ipv4": r"^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$",
    "ipv6": (
        r"^(([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|([0-9A-Fa-f]{1,4}:){1,7}:|:(:[0-9A-Fa-f]{1,4}){1,7}|::"
        r"|([0-9A-Fa-f]{1,4}:){1,6}:[0-9A-Fa-f]{1,4}|([0-9A-Fa-f]{1,4}:){1,5}(:[0-9A-Fa-f]{1,4}){2}"
        r"|([0-9A-Fa-f]{1,4}:){1,4}(:[0-9A-Fa-f]{1,4}){2,3}|([0-9A-Fa-f]{1,4}:){1,3}(:[0-9A-Fa-f]{1,4}){2,4}"
        r"|([0-9A-Fa-f]{1,4}:){1,2}(:[0-9A-Fa-f]{1,4}){2,5}|[0-9A-Fa-f]{1,4}:(:[0-9A-Fa-f]{1,4}){2,6})$"
    ),
}
"""The formats of strings that are executed; any other is documentation."""


def pattern_problem(pattern: str) -> str | None:
    """Say why RE2 cannot execute `pattern`; None when nothing speaks against it. Python's own parser stands in for RE2's."""
    shared = _OTHERS_OWN.sub(lambda found: "[a" if found[0].startswith("[") else "a", pattern)
    plain = _CLASS.sub("a", _ESCAPE.sub("a", shared))
    for lacking, name in _LACKING.items():
        if re.search(lacking, plain):
            return f"the pattern {pattern!r} uses {name}, which RE2 does not execute"
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(shared)
    except (re.error, RecursionError, OverflowError) as error:
        return f"the pattern {pattern!r} is no regular expression: {error}"
    return None
