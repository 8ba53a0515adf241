"""Where do a model's sources come from? dbt-duckdb calls this plug-in when it has opened its database.

Under `mesh run` the sources are the pinned input ports. When an analyst runs dbt, they are the ports as published now, as far as
policy permits. Either way nothing is published from here: a run takes a model's rows through stage and gate.
Next: `dbt.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError

from lakehouse.access import OPERATOR
from lakehouse.address import Address
from lakehouse.errors import WrongUse
from orchestration.dbt_offer import lay_out, offered

if TYPE_CHECKING:
    import duckdb
    from dbt.adapters.duckdb.utils import TargetConfig


class Plugin(BasePlugin):
    """`for_runs` is set in the profile that `mesh run` writes, and only there."""

    def initialize(self, plugin_config: Mapping[str, Any]) -> None:
        self.for_runs = bool(plugin_config.get("for_runs"))

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        offer = offered()
        if offer is not None:
            offer.lay_out(conn)
        elif self.for_runs:
            raise refused("this profile belongs to `mesh run`, which gives it its input ports", hint="cd dbt && dbt build")
        else:
            lay_out(conn, published())

    def store(self, target_config: TargetConfig) -> None:
        raise refused("a model does not publish by itself", hint="mesh run DOMAIN.PORT publishes it, through its gate")


def refused(what: str, *, hint: str) -> DbtRuntimeError:
    """Said in dbt's own error: any other it would show as a crash."""
    return DbtRuntimeError(f"{what}\n  hint: {hint}")


def published() -> dict[Address, str]:
    """Every port of the mesh around the working directory that has a publication, as its operator may read it."""
    from lakehouse.mesh import Mesh
    from lakehouse.read import permitted
    from lakehouse.settings import Settings

    try:
        settings = Settings.find()
    except WrongUse as error:
        raise refused(error.what, hint=error.hint) from error
    with Mesh.open(settings) as mesh:
        current = [(port.address, mesh.store.current(product.address)) for product, port in mesh.declarations.ports()]
        return {
            address: permitted(mesh, OPERATOR, address, purpose=None)
            for address, publication in current
            if publication is not None and any(state.address == address for state in publication.ports)
        }
