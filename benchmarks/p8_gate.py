"""P8: what does a gate of 20 checks cost, over a million rows and over none?

Twelve row rules, composed as the writer composes them, and eight gate rules, for each runner; the floor is the same twenty checks
as queries that a person would write, on the same parquet file, connection and process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb

from benchmarks.measure import interleaved
from lakehouse import checks
from lakehouse.address import Address
from lakehouse.declare.contract import Column, Contract, Options, Place, QualityRule, Relationship, Scope
from lakehouse.gate import audit
from lakehouse.rules import gate_rules, row_rules
from lakehouse.types import Decimal, Primitive, literal

ROWS = 1_000_000
CARRIERS = ("AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN")
PLACE = Place(file="benchmark.odcs.yaml")
DIMENSION = Address("network", "carriers")
STRING, LONG, DOUBLE = Primitive("string"), Primitive("long"), Primitive("double")

COLUMNS = (
    Column(name="id", type=LONG, key_position=1, options=Options(minimum=0), place=PLACE),
    Column(name="carrier", type=STRING, required=True, enum=CARRIERS, place=PLACE),
    Column(name="tail", type=STRING, options=Options(pattern="^N[0-9]{1,5}$", max_length=6), place=PLACE),
    Column(name="distance", type=LONG, required=True, options=Options(minimum=0, maximum=5000), place=PLACE),
    Column(name="speed", type=DOUBLE, options=Options(maximum=250), place=PLACE),
    Column(name="fare", type=Decimal(9, 2), options=Options(exclusive_minimum=0), place=PLACE),
    Column(name="day", type=Primitive("date"), place=PLACE),
)


def quality(metric: str, column: str | None = None, **changes: object) -> QualityRule:
    declared = {"name": "", "kind": "library", "metric": metric, "column": column, "operator": "mustBe", "threshold": 0, "place": PLACE}
    return QualityRule(**(declared | changes))  # type: ignore[arg-type]


CONTRACT = Contract(
    address=Address("operations", "flights"),
    version="1.0.0",
    columns=COLUMNS,
    relationships=(Relationship(name="", columns=("carrier",), to=DIMENSION, to_columns=("carrier",), place=PLACE),),
    quality=(
        quality("rowCount", operator="mustBeGreaterOrEqualTo"),
        quality("nullValues", "tail", operator="mustBeLessThan", threshold=5, unit="percent"),
        quality("missingValues", "tail", arguments={"missingValues": ["", "N0"]}),
        quality("invalidValues", "carrier", arguments={"validValues": list(CARRIERS)}),
        quality("duplicateValues", arguments={"properties": ["day", "id"]}),
        quality(
            "sql",
            name="fastest",
            kind="sql",
            query="select coalesce(max(speed), 0) from ${table}",
            operator="mustBeLessThan",
            threshold=300,
        ),
    ),
    place=PLACE,
)

HAND_WRITTEN = (
    "select count(*) from {t} where id is null",
    "select count(*) from {t} where id < 0",
    "select count(*) from {t} where carrier is null",
    "select count(*) from {t} where carrier not in ('AA', 'B6', 'DL', 'EV', 'MQ', 'UA', 'US', 'WN')",
    "select count(*) from {t} where length(tail) > 6",
    "select count(*) from {t} where not regexp_matches(tail, '^N[0-9]{{1,5}}$')",
    "select count(*) from {t} where distance is null",
    "select count(*) from {t} where distance < 0",
    "select count(*) from {t} where distance > 5000",
    "select count(*) from {t} where not isfinite(speed)",
    "select count(*) from {t} where speed > 250",
    "select count(*) from {t} where fare <= 0",
    "select count(*) from (select id from {t} group by id having count(*) > 1)",
    "select count(*) from {t} anti join {d} using (carrier)",
    "select count(*) from {t}",
    "select 100.0 * count(*) / {n} from {t} where tail is null",
    "select count(*) from {t} where tail in ('', 'N0')",
    "select count(*) from {t} where carrier not in ('AA', 'B6', 'DL', 'EV', 'MQ', 'UA', 'US', 'WN')",
    "select count(*) from (select day, id from {t} group by day, id having count(*) > 1)",
    "select max(speed) from {t}",
)


class Staged:
    """A first batch: it is the whole port."""

    def __init__(self, relation: str) -> None:
        self._relation = relation

    def relation(self, scope: Scope) -> str:
        return self._relation

    def others(self, columns: Sequence[str]) -> None:
        return None

    def count(self, scope: Scope) -> None:
        return None


def run() -> dict[str, object]:
    """The figures of each runner; the outermost ones are those of the default runner."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config={"threads": 2}) as connection:
        full, empty = (f"read_parquet({literal(str(_file(connection, Path(folder), rows)))})" for rows in (ROWS, 0))
        dimension = f"(select unnest({list(CARRIERS)!r}) as carrier)"
        gates = {name: _gate(connection, name, dimension) for name in sorted(checks.RUNNERS)}
        floor = _floor(connection, full, dimension)
        over_rows = interleaved({"floor": floor, **{name: _over(gate, full) for name, gate in gates.items()}})
        over_none = interleaved({name: _over(gate, empty) for name, gate in gates.items()}, rounds=20)
    runners = {
        name: {
            "cpu_ms_per_million_rows": over_rows[name].cpu_ms * 1_000_000 / ROWS,
            "floor_cpu_ms": over_rows["floor"].cpu_ms,
            "ratio_to_floor": over_rows[name].cpu_ms / over_rows["floor"].cpu_ms,
            "wall_ms": over_rows[name].wall_ms,
            "floor_wall_ms": over_rows["floor"].wall_ms,
            "fixed_ms": over_none[name].wall_ms,
        }
        for name in gates
    }
    return {"runner": "soda", **runners["soda"], "runners": runners}


def _over(gate: Callable[[str], None], relation: str) -> Callable[[], None]:
    return lambda: gate(relation)


def _file(connection: duckdb.DuckDBPyConnection, folder: Path, rows: int) -> Path:
    path = folder / f"{rows}.parquet"
    connection.execute(
        f"""copy (select i as id, {list(CARRIERS)!r}[1 + i % 8] as carrier, if(i % 50 = 0, null, 'N' || (1 + i % 99999)) as tail,
            (i * 7919) % 5000 as distance, (i % 2500) / 10.0::double as speed, (1 + i % 90000)::decimal(9, 2) as fare,
            date '2013-01-01' + (i % 365)::integer as day from range({rows}) as r(i))
            to {literal(str(path))} (format parquet, compression zstd)"""
    )
    return path


def _gate(connection: duckdb.DuckDBPyConnection, name: str, dimension: str) -> Callable[[str], None]:
    runner, rules = checks.runner(name), gate_rules(CONTRACT, "append")
    broken = " ".join(f"when not ({rule.predicate}) then true" for rule in row_rules(CONTRACT))

    def gate(relation: str) -> None:
        set_aside = connection.execute(f"select count(*) from {relation} where case {broken} else false end").fetchall()
        results = audit(connection, rules, Staged(relation), {DIMENSION: dimension}, runner, timeout=60)
        verdicts = {r.outcome for r in results if r.rule != "tail_null_values"}
        if set_aside != [(0,)] or verdicts != {"passed"}:
            message = f"the benchmark's data should pass: {set_aside}, {results}"
            raise RuntimeError(message)

    return gate


def _floor(connection: duckdb.DuckDBPyConnection, relation: str, dimension: str) -> Callable[[], None]:
    queries = [query.format(t=relation, d=dimension, n=ROWS) for query in HAND_WRITTEN]

    def ask() -> None:
        for query in queries:
            connection.execute(query).fetchall()

    return ask
