"""Inputs of the page, its figures and its tables, for the rules."""

from functools import cached_property
from typing import Any

from derain.curriculum import (
    FIRST,
    GIVEN,
    INDIVIDUAL,
    JOINT,
    PREVIEWS,
    SCORES,
    THETA,
    Stage,
    in_tables,
    predecessor,
    prefixes,
    stage,
)
from derain.evaluation.source import Source
from derain.method.ingredients import INGREDIENTS
from derain.plan.charts import CHARTS, ChartEntry
from derain.plan.datasets import checks, pixels, rainy_scores, tables
from derain.plan.measured import COMPARISON
from derain.plan.plan import Plan
from derain.plan.tables import TABLES, Table

# The page shows pictures of this many orders (the first ones), so that its size does not grow with their number.
PICTURED_ORDERS = 3
# Rule `summarise` makes them from the scores of all stages.
SCORE_TABLES = ("matrix", "continual", "summary")


# Outputs drawn from tables, and all outputs derived from stages. Paths are relative to `PagePlan.folder`.
PAPER_TABLES = ("verdict.csv", "verdict.tex", "orders.tex", "matrix.tex")
DRAWN = (
    "report.html",
    *(f"tables/{name}" for name in PAPER_TABLES),
    *(f"figures/{chart.name}{rest}" for chart in CHARTS for rest in (".svg", ".pdf", "-*.svg", "-*.pdf")),
)
DERIVED = (*DRAWN, *(f"tables/{name}.csv" for name in ("scores", "cost", *SCORE_TABLES, *(t.name for t in TABLES))))


class PagePlan:
    """The files and figures of one experiment's page."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.experiment = plan, plan.experiment

    @property
    def folder(self) -> str:
        """Folder of all outputs derived from stages: results/<name> for an experiment with a name, else results."""
        return self.plan.measurements.folder

    @property
    def derived(self) -> list[str]:
        """All files in `folder` that are derived from stages, except the page itself."""
        named = [f"{self.folder}/tables/{name}.csv" for name in ("scores", "cost")]
        return [*self.table_files, *named, *self.drawn]

    @property
    def drawn(self) -> list[str]:
        """Figures and tables for a paper; none without orders to draw."""
        figures = [f"{self.folder}/figures/{each['name']}.{kind}" for each in self.figures for kind in ("svg", "pdf")]
        return figures and [*figures, *(f"{self.folder}/tables/{name}" for name in PAPER_TABLES)]

    @property
    def comparisons(self) -> list[str]:
        """The page of each stage that restores photographs."""
        return [file for each in self.plan.restoring for file in self.plan.measurements.restoration(each).files]

    @cached_property
    def _sources(self) -> dict[str, list[Source]]:
        """The sources of each of TABLES by name, without tables that have none."""
        found = {table.name: table.sources(self.plan) for table in TABLES}
        return {name: sources for name, sources in found.items() if sources}

    @cached_property
    def tables(self) -> dict[str, Table]:
        """The entries of TABLES that have sources in this experiment, by name."""
        return {table.name: table for table in TABLES if table.name in self._sources}

    def stages_of(self, table: str) -> list[dict[str, Any]]:
        """The stages that a table is made from, as plain values."""
        return [dict(of_stage) for of_stage, _ in self._sources[table]]

    def files_of(self, table: str) -> list[str]:
        """The files of these stages, stage by stage, the same number of each."""
        return [file for _, files in self._sources[table] for file in files]

    @property
    def table_files(self) -> list[str]:
        """The tables that the page and the figures draw."""
        return [f"{self.folder}/tables/{name}.csv" for name in (*SCORE_TABLES, *self.tables)]

    @property
    def importances(self) -> dict[str, str]:
        """The kind of Ω of each method that has one, by method."""
        kinds = {method: self.experiment.kind_of(method, "penalty") for method in self.experiment.methods}
        return {method: kind for method, kind in kinds.items() if kind}

    @property
    def titles(self) -> dict[str, str]:
        """The titles of the ingredients that any method of the experiment has, by name."""
        used = {name for method in self.experiment.methods.values() for name in method.ingredients}
        return {ingredient.name: ingredient.title for ingredient in INGREDIENTS if ingredient.name in used}

    @property
    def figures(self) -> list[dict[str, Any]]:
        """The figures for a paper: name, chart, and the network and order that it shows (None: all of them)."""
        orders = {n: order for n, order in enumerate(self.experiment.orders, 1) if len(order) > 1}
        found: list[dict[str, Any]] = []
        for chart in CHARTS:
            networks: list[str | None] = list(self.experiment.trained_networks) if "network" in chart.per else [None]
            numbers: list[int | None] = list(orders) if "order" in chart.per else [None]
            for network in networks if orders or not chart.per else []:
                for n in numbers:
                    order = orders[n] if n else None
                    if self._draws(chart, network, order):
                        name = "-".join(str(part) for part in (chart.name, network, n) if part is not None)
                        sequence = in_tables(order) if order else None
                        found.append({"name": name, "chart": chart.name, "network": network, "order": sequence})
        return found

    def _draws(self, chart: ChartEntry, network: str | None, order: tuple[str, ...] | None) -> bool:
        """Whether a chart of this network and order (None: all) has something to draw."""
        if chart.table in SCORE_TABLES:
            return True
        return any(
            network in (None, of_stage["network"])
            and (order is None or tuple(of_stage["datasets"]) in prefixes(order))
            and len(of_stage["datasets"]) - self.experiment.at_once(of_stage["network"]) >= chart.past
            for of_stage, _ in self._sources.get(chart.table, [])
        )

    @property
    def content(self) -> dict[str, Any]:
        """The input of `derain.report.content`, as plain values."""
        experiment, plan = self.experiment, self.plan
        names = experiment.scored_datasets
        of_dataset = zip(
            tables(names, "test"), pixels(names, "test"), rainy_scores(names), checks(names), strict=True
        )  # fmt: skip
        return {
            "rounding": experiment.evaluation.rounding[0],
            "ssim": experiment.evaluation.ssim,
            "importances": self.importances,
            "titles": self.titles,
            "datasets": {
                name: dict(zip(("pairs", "pixels", "rainy", "check"), files, strict=True))
                | {"digest": plan.sources.pairs(name, "test") if plan.sources else None}
                for name, files in zip(names, of_dataset, strict=True)
            },
            "learned": self.learned,
            "started": self.started,
            "stages": [self._stage(of_stage) for of_stage in plan.stages],
            "shown": self.shown,
            "photographs": [
                each.plain()
                | {"page": COMPARISON.format(stage=each.path), "logs": f"{self.folder}/logs/photographs/{each.path}"}
                for each in plan.restoring
            ],
        }

    @property
    def started(self) -> list[str]:
        """The trained networks whose first stages start from given weights."""
        networks = self.experiment.networks
        return [name for name in self.experiment.trained_networks if networks[name].initial_weights is not None]

    @property
    def learned(self) -> list[dict[str, Any]]:
        """The given networks that learn more: their weights, what these have learned, and the training pairs of which
        datasets (with their tables) stand for it; omega: the kinds of Ω that are given too.
        """
        found = []
        for name, learned in self.experiment.learned.items():
            network, seed = self.experiment.networks[name], self.experiment.seeds[0]
            first = Stage(name, seed, FIRST, learned, len(learned))
            theta = self.plan.artifacts.theta(first)
            at_hand = [each for each in self.plan.artifacts.at_hand(first) if each in self.experiment.trained_datasets]
            found.append(
                {
                    "network": name,
                    "learned": list(learned),
                    "weights": network.initial_weights and network.initial_weights.name,
                    "digest": theta.recipe.plain()["initial_weights"],
                    "pairs": dict(zip(at_hand, tables(at_hand, "training"), strict=True)),
                    "stand_in": bool(network.stand_in),
                    "omega": sorted(network.omega),
                }
            )
        return found

    def _stage(self, of_stage: Stage) -> dict[str, Any]:
        before = predecessor(of_stage)
        return of_stage.plain() | {
            "given": self.plan.artifacts.is_given(of_stage),
            "theta": of_stage.file(THETA),
            "theta_before": before.file(THETA) if before else None,
            "scores": self.plan.of_stage(of_stage, SCORES),
            "logs": f"results/logs/stages/{of_stage.path}",
        }

    @property
    def shown(self) -> list[dict[str, Any]]:
        """The stages with pictures on the page, a dict each: given networks; then, for each trained network and each of
        the first PICTURED_ORDERS orders, the stages of every method, for the first seed only. An order of one dataset
        has one network, which is the same for all methods and for joint: an individual one.
        """
        several = len(self.experiment.networks) > 1
        found: list[dict[str, Any]] = [
            {"caption": network, "method": GIVEN, "order": None, "learned": "", "final": True}
            | {"of": Stage(network, 0, GIVEN, ())}
            for network in self.experiment.given_networks
        ]
        for network in self.experiment.trained_networks:
            at_once = self.experiment.at_once(network)
            for order in self.experiment.orders[:PICTURED_ORDERS]:
                ways = [(method, prefixes(order, at_once)) for method in self.experiment.methods]
                joint = stage(network, self.experiment.seeds[0], JOINT, order, at_once)
                ways += [(JOINT, [order])] if joint.method == JOINT and joint in self.plan.stages else []
                if len(order) == 1:
                    ways = [(INDIVIDUAL, [order])]
                found += [
                    {
                        "caption": " ".join(
                            [method, *(order if method == INDIVIDUAL else ()), *([f"({network})"] if several else ())]
                        ),
                        "method": method,
                        "order": in_tables(order),
                        "learned": seen[-1],
                        "final": seen == order,
                        "of": stage(network, self.experiment.seeds[0], method, seen, at_once),
                    }
                    for method, along in ways
                    for seen in along
                ]
        return [
            shown | {"of": shown["of"].plain(), "files": self.plan.of_stage(shown["of"], PREVIEWS)} for shown in found
        ]
