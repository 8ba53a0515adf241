"""What `mesh lineage` answers, on this repository's own mesh."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from lakehouse import columns
from lakehouse.address import Address
from lakehouse.declare import load
from lakehouse.declare.product import OutputPort, Product
from lakehouse.errors import WrongUse
from lakehouse.lineage.graph import Direction, Graph, graph

ROOT = Path(__file__).parents[2]
MESH = load(ROOT)


def sql(product: Product, port: OutputPort) -> str | None:
    """The model's own text: enough where nothing was compiled."""
    path = product.models.get(port.name)
    return columns.plain_sql((ROOT / path).read_text()) if path else None


def of(address: str, column: str | None = None, direction: Direction | None = None, depth: int | None = None) -> Graph:
    return graph(MESH, Address.parse(address), column=column, direction=direction, depth=depth, sql=sql)


def ids(found: Graph) -> set[str]:
    return {node.id for node in found.nodes}


def pairs(found: Graph) -> set[tuple[str, str]]:
    return {(edge.source, edge.target) for edge in found.edges}


def test_up_to_the_sources() -> None:
    """All that a ranking comes from, over products and domains, down to the files."""
    found = of("punctuality.carrier_ranking", direction="up")
    assert ("punctuality.delays", "punctuality.carrier_ranking") in pairs(found)
    assert ("operations.flights/landed", "operations.flights") in pairs(found)
    assert {node.kind for node in found.nodes} == {"port", "source"}
    assert "operations.flights_daily" not in ids(found)


def test_a_depth_is_a_number_of_steps() -> None:
    """One step up from the ranking are the ports it reads, and no further."""
    found = of("punctuality.carrier_ranking", direction="up", depth=1)
    assert ids(found) == {"punctuality.carrier_ranking", "punctuality.delays", "operations.airlines"}
    assert ids(of("punctuality.carrier_ranking", depth=0)) == {"punctuality.carrier_ranking"}


def test_down_to_the_consumers() -> None:
    """What a change of the flights can reach: its sibling, and other domains' products."""
    found = of("operations.flights", direction="down")
    assert {"operations.flights_daily", "punctuality.delays", "punctuality.carrier_ranking"} <= ids(found)
    assert "operations.flights/landed" not in ids(found)


def test_both_ways_without_a_direction() -> None:
    """By default the answer is what it comes from and what comes from it."""
    both = pairs(of("punctuality.delays"))
    assert both == pairs(of("punctuality.delays", direction="up")) | pairs(of("punctuality.delays", direction="down"))
    assert {("operations.flights", "punctuality.delays"), ("punctuality.delays", "punctuality.carrier_ranking")} <= both


def test_a_column_through_sql_and_functions() -> None:
    """A column's way through a dbt model says sqlglot, through a function it says name."""
    found = of("punctuality.carrier_ranking", column="departure_delay_mean_min", direction="up")
    methods = {(edge.source, edge.target): edge.method for edge in found.edges}
    delay = "punctuality.delays.departure_delay_min"
    assert methods[delay, "punctuality.carrier_ranking.departure_delay_mean_min"] == "sqlglot"
    assert methods["operations.flights.departure_delay_min", delay] == "name"
    assert {node.kind for node in found.nodes} == {"column"}


def test_a_column_alone_is_a_graph() -> None:
    """Where nothing is known the answer is the column itself."""
    found = of("punctuality.carrier_ranking", column="scheduled", direction="up")
    assert ids(found) == {"punctuality.carrier_ranking.scheduled"}
    assert found.edges == ()


def test_what_is_not_declared_is_said() -> None:
    """A port or column that does not exist is wrong use, with what there is."""
    with pytest.raises(WrongUse, match=r"no port operations\.trains"):
        of("operations.trains")
    with pytest.raises(WrongUse, match=r"no column 'wings'(?s:.*)carrier"):
        of("operations.flights", column="wings")


def test_the_answer_is_the_same_every_time() -> None:
    """Nodes and edges stand in a stable order, each once, and every edge's ends are nodes."""
    found = of("operations.flights", column="carrier")
    assert found == of("operations.flights", column="carrier")
    assert len(found.nodes) == len(ids(found))
    assert len(found.edges) == len(pairs(found))
    assert {end for pair in pairs(found) for end in pair} <= ids(found)
    assert set(asdict(found)) == {"nodes", "edges"}
