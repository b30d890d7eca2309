"""The list of charts, for the page and for the figures of a paper.

The function of the same name in derain.report.charts draws a chart ("omega-layers": `omega_layers`).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ChartEntry:
    """One chart. section: its section of the page; table: the result table whose rows it draws; switches: the switches
    of the page that select its rows (without "order" it shows all orders); text: its caption, where {order} stands for
    the name of an order; note: an addition to the caption on the page; past: the number of earlier datasets that a
    stage needs to appear in the chart.
    """

    name: str
    section: str
    table: str
    switches: tuple[str, ...]
    text: str
    note: str = ""
    past: int = 0

    @property
    def per(self) -> tuple[str, ...]:
        """The switches whose values have a paper figure each: network, network and order, or none."""
        return tuple(name for name in ("network", "order") if name in self.switches)


_ORDER = ("network", "order")
_OMEGA = (*_ORDER, "method")

CHARTS = (
    ChartEntry(
        "orders", "orders", "continual", ("network",),
        "Average, forgetting and gain of new datasets of each method, a tick for each order, a dot for the mean.",
        "The band spans worst and best order.",
    ),
    ChartEntry(
        "matrix", "matrix", "matrix", (*_ORDER, "seed"),
        "Score of each method after each stage of {order} (rows) on each dataset (columns), as heat maps.",
        "A red triangle marks a score below that of the rainy input. Values as in tables/matrix.csv.",
    ),
    ChartEntry(
        "curves", "curves", "matrix", (*_ORDER, "seed"),
        "Score on each dataset over the stages of {order}, a line for each method; dashed, the rainy input.",
        "The larger mark: when the dataset was just learned.",
    ),
    ChartEntry(
        "chord", "chord", "chord", (*_ORDER, "seed"),
        "Mean score on the old datasets against that on the newest, a panel for each stage of {order}: methods as "
        "points, the blends of fine-tuning as its chord.",
        "Small marks: the measured α. Thin lines: other blends.",
        past=1,
    ),
    ChartEntry(
        "training", "curves", "training", _ORDER,
        "Terms of the training loss along {order}, a panel for each term and a line for each method.",
        "First seed; long curves are thinned (tables/training.csv has all).",
    ),
    ChartEntry(
        "omega-layers", "importance", "omega-layers", _OMEGA,
        "Share of the sum of Ω that each layer holds, a point for each dataset.",
        "The last dataset of an order has no Ω, because nothing is learned after it.",
    ),
    ChartEntry(
        "moves", "importance", "moves", _ORDER,
        "How far each layer moved in each stage of {order} after the first, relative to its length.",
        "A point for each method and stage: the more datasets are learned, the larger it is.",
    ),
    ChartEntry(
        "omega-distribution", "importance", "omega-distribution", _OMEGA,
        "Distribution of log10 Ω over all weights, a line for each dataset.",
        "Weights of Ω = 0 are at the left end.",
    ),
    ChartEntry(
        "omega-overlap", "importance", "omega-overlap", _OMEGA,
        "Share of the most important tenth of the weights that two datasets have in common, a heat map.",
        "By chance it would be 10 %.",
        past=1,
    ),
    ChartEntry(
        "strengths", "strengths", "strengths", ("network",),
        "Validation PSNR on RGB of each searched stage against the scale of its strengths; the chosen one is filled.",
    ),
    ChartEntry(
        "tradeoff", "strengths", "strengths", ("network",),
        "The same against how far the weights moved: plasticity against stability.",
    ),
    ChartEntry(
        "blends", "strengths", "blends", ("network",),
        "Validation PSNR on RGB of each blended stage against the share α of its training; the chosen one is filled.",
    ),
    ChartEntry(
        "theory", "theory", "theory", (),
        "Actual against predicted change of the loss of earlier datasets, first-order estimate and bound.",
    ),
)  # fmt: skip
