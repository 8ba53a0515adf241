"""A contract -> the rules that its data must keep: row rules set rows aside, gate rules stop a batch.

Pure: no engine is imported; predicates are DuckDB SQL text. `rule.py` says what a rule is, `rows.py` and `gates.py` compile them.
Next: `gate.py` evaluates gate rules, `write.py` splits by row rules.
"""

from lakehouse.rules.gates import gate_rules, rule_problems
from lakehouse.rules.patterns import pattern_problem
from lakehouse.rules.rows import row_rules
from lakehouse.rules.rule import RESERVED, GateRule, Metric, RowRule

__all__ = ["RESERVED", "GateRule", "Metric", "RowRule", "gate_rules", "pattern_problem", "row_rules", "rule_problems"]
