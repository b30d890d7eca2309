"""The figures of an experiment by name, for the page (every one with its switches) and for a paper."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import pandas as pd

from derain.curriculum import JOINT, as_read
from derain.report import chartdata, charts
from derain.report.charts import Figure

Tables = Mapping[str, pd.DataFrame]


class Figures:
    """tables: those of results/tables that there are, by name ("theory-correlations" excepted, they are numbers).
    importances: the kind of Ω that each method with a penalty uses.
    """

    def __init__(self, tables: Tables, importances: Mapping[str, str]) -> None:
        self.tables, self.importances = tables, importances
        matrix = tables["matrix"]
        self.orders = chartdata.orders(matrix)
        runs = matrix[matrix["order"].isin(self.orders)]
        self.networks = list(dict.fromkeys(runs["network"]))
        self.methods = list(dict.fromkeys(runs["method"]))
        self.seeds = chartdata.seeds(runs)
        self.penalised = [method for method in self.methods if method in importances]

    # --- rows, made once ---------------------------------------------------------------------------------------

    @cached_property
    def _matrix(self) -> pd.DataFrame:
        return chartdata.matrix(self.tables["matrix"])

    @cached_property
    def _continual(self) -> pd.DataFrame:
        return chartdata.continual(self.tables["continual"])

    @property
    def _learners(self) -> list[str]:
        return [method for method in self.methods if method != JOINT]

    @cached_property
    def _training(self) -> pd.DataFrame:
        return chartdata.training(self._table("training"), self.orders, self._learners)

    @cached_property
    def _moves(self) -> pd.DataFrame:
        return chartdata.layers(self._table("moves"), self.orders, self._learners, "relative_move")

    def _omega(self, table: str, value: str) -> pd.DataFrame:
        rows = self._table(table)
        parts = [
            chartdata.layers(rows[rows["importance"] == self.importances[method]], self.orders, [method], value)
            for method in self.penalised
            if len(rows)
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    @cached_property
    def _omegas(self) -> dict[str, pd.DataFrame]:
        return {
            "layers": self._omega("omega-layers", "share"),
            "distribution": self._omega("omega-distribution", "share"),
            "overlap": self._omega("omega-overlap", "overlap"),
        }

    def _table(self, name: str) -> pd.DataFrame:
        return self.tables.get(name, pd.DataFrame(columns=["network", "seed", "method", "datasets", "importance"]))

    # --- figures -----------------------------------------------------------------------------------------------

    def on_page(self) -> Iterator[Figure]:
        """One of each kind, with the rows of every network, order, seed and method behind its switches."""
        if self.orders:
            yield from self._of_network(self.networks[0], all_rows=True)
            yield from self._of_order(self.networks[0], 0, all_rows=True)
        yield from self._of_all()

    def on_paper(self) -> Iterator[Figure]:
        """One of each kind, network and order, with that selection's rows alone. Orders count from 1."""
        for network in self.networks:
            yield from (_renamed(figure, network) for figure in self._of_network(network, all_rows=False))
            for number in range(len(self.orders)):
                found = self._of_order(network, number, all_rows=False)
                yield from (_renamed(figure, network, number + 1) for figure in found)
        yield from self._of_all()

    def _of_network(self, network: str, all_rows: bool) -> Iterator[Figure]:
        rows = self._continual if all_rows else _only(self._continual, network=network)
        text = "Average, forgetting and gain of new datasets of each method, a tick for each order, a dot for the mean."
        yield Figure("orders", text, charts.orders(rows, {"network": network}))

    def _of_order(self, network: str, order: int, all_rows: bool) -> Iterator[Figure]:
        chosen: dict[str, Any] = {"network": network, "order": order}

        def of(rows: pd.DataFrame) -> pd.DataFrame:
            return rows if all_rows or rows.empty else _only(rows, **chosen)

        named = as_read(self.orders[order]) if not all_rows else "the chosen order"
        seeded = chosen | {"seed": self.seeds[0]}
        text = f"Score of each method after each stage of {named} (rows) on each dataset (columns), as heat maps."
        yield Figure("matrix", text, charts.matrix(of(self._matrix), seeded))
        text = f"Score on each dataset over the stages of {named}, a line for each method; dashed, the rainy input."
        yield Figure("curves", text, charts.curves(of(self._matrix), seeded))
        if len(rows := of(self._training)):
            text = f"Terms of the training loss along {named}, a panel for each term and a line for each method."
            yield Figure("training", text, charts.training(rows, chosen))
        if len(rows := of(self._moves)):
            text = f"How far each layer moved in each stage of {named} after the first, relative to its length."
            title = "‖θ − θⁿ‖/‖θⁿ‖ in a stage"
            yield Figure("moves", text, charts.layers(rows, chosen, "relative_move", title, "method"))
        if self.penalised:
            method = chosen | {"method": self.penalised[0]}
            tables = {name: of(rows) for name, rows in self._omegas.items()}
            if len(rows := tables["layers"]):
                text = "Share of the sum of Ω that each layer holds, a point for each dataset."
                title = "share of ΣΩ"
                yield Figure("omega-layers", text, charts.layers(rows, method, "share", title, "dataset"))
            if len(rows := tables["distribution"]):
                text = "Distribution of log10 Ω over all weights, a line for each dataset."
                yield Figure("omega-distribution", text, charts.distribution(rows, method))
            if len(rows := tables["overlap"]):
                text = "Share of the most important tenth of the weights that two datasets have in common, a heat map."
                yield Figure("omega-overlap", text, charts.overlap(rows, method))

    def _of_all(self) -> Iterator[Figure]:
        if "strengths" in self.tables:
            text = (
                "Validation PSNR of each searched stage against the scale of its strengths; the chosen one is filled."
            )
            yield Figure("strengths", text, charts.strengths(self.tables["strengths"]))
            text = "The same against how far the weights moved: plasticity against stability."
            yield Figure("tradeoff", text, charts.strengths(self.tables["strengths"], "relative_move"))
        if "theory" in self.tables:
            text = "Actual against predicted change of the loss of earlier datasets, first-order estimate and bound."
            yield Figure("theory", text, charts.theory(self.tables["theory"]))


def _only(rows: pd.DataFrame, **values: Any) -> pd.DataFrame:
    for name, value in values.items():
        rows = rows[rows[name] == value]
    return rows


def _renamed(figure: Figure, *parts: object) -> Figure:
    return Figure("-".join(map(str, [figure.name, *parts])), figure.alt, figure.chart)
