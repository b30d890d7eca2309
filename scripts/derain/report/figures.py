"""The figures of an experiment, for the page and for a paper. derain.plan.charts lists them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import pandas as pd

from derain.curriculum import JOINT, as_read
from derain.plan.charts import CHARTS, ChartEntry
from derain.report import chartdata, charts
from derain.report.vega import Figure

Tables = Mapping[str, pd.DataFrame]


class Figures:
    """Draws the figures of an experiment.

    tables: the existing ones of results/tables, by name; importances: kind of Ω of each method that uses one; titles:
    of the terms that methods add to the loss, by name; learned: what given networks that learn more have learned
    elsewhere, by network; seed: the first one of the config, which charts without a switch for seeds draw.
    """

    def __init__(
        self,
        tables: Tables,
        importances: Mapping[str, str],
        titles: Mapping[str, str],
        learned: Mapping[str, Sequence[str]],
        seed: int,
    ) -> None:
        self.tables, self.importances, self.seed = tables, importances, seed
        self.at_once = {network: len(datasets) for network, datasets in learned.items()}
        matrix = tables["matrix"]
        self.orders = chartdata.orders(matrix)
        runs = matrix[matrix["order"].isin(self.orders)]
        self.networks = list(dict.fromkeys(runs["network"]))
        self.methods = list(dict.fromkeys(runs["method"]))
        self.seeds = chartdata.seeds(runs)
        learned_here = dict.fromkeys(name for order in self.orders for name in order.split(">"))
        self.common = charts.Common(self.methods, list(learned_here), titles)
        self.penalised = [method for method in self.methods if method in importances]
        self._rows: Callable[[str], pd.DataFrame] = cache(self._prepared)

    def on_page(self) -> Iterator[Figure]:
        """Yield each chart that has rows, with the rows of all networks, orders, seeds and methods.

        The switches of the page filter them. With one order, there is nothing to compare in the chart of orders.
        """
        order = "the chosen order" if len(self.orders) > 1 else as_read("".join(self.orders))
        for entry in CHARTS:
            if entry.name == "orders" and len(self.orders) < 2:
                continue
            if entry.table in self.tables and all(self._options[name] for name in entry.switches):
                rows = self._rows(entry.table)
                if len(rows):
                    yield self._drawn(entry, rows, self._chosen(entry), order)

    def on_paper(self, chart: str, network: str | None, order: str | None) -> Figure:
        """Return a chart of one network and one order (as in the tables), with only their rows. None: all of them."""
        (entry,) = (entry for entry in CHARTS if entry.name == chart)
        shown: dict[str, Any] = {} if network is None else {"network": network}
        shown |= {} if order is None else {"order": self.orders.index(order)}
        rows = self._rows(entry.table)
        for name, value in shown.items():
            rows = rows[rows[name] == value]
        return self._drawn(entry, rows, self._chosen(entry) | shown, as_read(order or ""))

    def _drawn(self, entry: ChartEntry, rows: pd.DataFrame, chosen: Mapping[str, Any], order: str) -> Figure:
        draw = getattr(charts, entry.name.replace("-", "_"))
        drawn = draw(rows, chosen, self.common)
        return Figure(entry.name, entry.text.format(order=order), entry.note, entry.section, drawn)

    @property
    def _options(self) -> dict[str, list[Any]]:
        """Options of each switch."""
        orders = list(range(len(self.orders)))
        return {"network": self.networks, "order": orders, "seed": self.seeds, "method": self.penalised}

    def _chosen(self, entry: ChartEntry) -> dict[str, Any]:
        """Return the default of each switch of a chart: its first option."""
        return {name: self._options[name][0] for name in entry.switches}

    # --- rows ----------------------------------------------------------------------------------------------------

    def _prepared(self, table: str) -> pd.DataFrame:
        """Return the rows of a table in the form that its charts draw."""
        rows = self.tables[table]
        learners = [method for method in self.methods if method != JOINT]
        if table == "matrix":
            return chartdata.matrix(rows, self.at_once)
        if table == "continual":
            return chartdata.continual(rows)
        if table == "chord":
            return chartdata.chord(rows, self.tables["matrix"], self.orders)
        if table == "training":
            return chartdata.training(rows, self.orders, learners, self.seed)
        if table == "moves":
            return chartdata.layers(rows, self.orders, learners, self.seed, "relative_move")
        if table.startswith("omega-"):
            return self._omega(rows, "overlap" if table == "omega-overlap" else "share")
        return rows

    def _omega(self, rows: pd.DataFrame, value: str) -> pd.DataFrame:
        """Return the rows of each method with a penalty, of the kind of Ω that it uses."""
        parts = [
            chartdata.layers(
                rows[rows["importance"] == self.importances[method]], self.orders, [method], self.seed, value
            )
            for method in self.penalised
            if len(rows)
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
