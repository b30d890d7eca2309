"""Draws the charts of derain.plan.charts: one function per chart, of its rows, the values of its switches, and what all
charts of the experiment have in common.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from derain.curriculum import as_read
from derain.evaluation.metrics import METRICS
from derain.report import vega
from derain.report.chartdata import terms

DOTS_UP_TO = 20  # steps of a stage that are drawn as dots, too: a line of one step would be invisible
NUMBERS_UP_TO = 8  # datasets; the cells of larger matrices have no room for numbers
# Titles of the columns of tables/training.csv that every method has. Titles of ingredients' terms come from the plan.
TITLES = {"reconstruction": "training loss", "validation_psnr_rgb_db": "validation PSNR on RGB, dB"}
ALARM = "#D7301F"
Chosen = Mapping[str, Any]


@dataclass(frozen=True)
class Common:
    """What all charts of an experiment have in common. methods, datasets: in the order of the config, so that each has
    one colour and shape in all charts; titles: of the terms that methods add to the loss, by name.
    """

    methods: Sequence[str] = ()
    datasets: Sequence[str] = ()
    titles: Mapping[str, str] = field(default_factory=dict)


def _of_metric(chart: alt.Chart) -> alt.Chart:
    """Add the chosen metric as the field `value`, and its number format as `digits`."""
    return (
        chart.add_params(alt.param(name="metric", value=METRICS[0]))
        .transform_calculate(value="datum[metric]")
        .transform_calculate(digits="indexof(metric, 'ssim') < 0 ? '.2f' : '.4f'")
    )


def matrix(rows: pd.DataFrame, chosen: Chosen, common: Common) -> vega.Chart:
    """R as heat maps, one per method. rows: from chartdata.matrix."""
    many = rows["dataset"].nunique() > NUMBERS_UP_TO
    step = 22 if many else 64
    base = _of_metric(vega.chart(rows, **chosen)).add_params(alt.param(name="view", value="score"))
    shown = (
        base.transform_calculate(
            own="datum.stage === datum.learned_at ? datum.value : null",
            start="datum.stage === 0 ? datum.value : null",
        )
        .transform_joinaggregate(learned="max(own)", rainy="max(start)", groupby=["method", "dataset"])
        .transform_filter("view === 'score' || (view === 'gain' ? datum.stage > 0 : datum.stage >= datum.learned_at)")
        .transform_calculate(
            shown="datum.value - (view === 'gain' ? datum.rainy : view === 'change' ? datum.learned : 0)"
        )
        .transform_filter("isValid(datum.shown) && isFinite(datum.shown)")
        .transform_joinaggregate(low="min(shown)", high="max(shown)")
        .transform_calculate(
            # Without "+", a number that rounds to zero has no sign.
            text="format(datum.shown, (view === 'score' || +format(datum.shown, datum.digits) === 0 ? '' : '+')"
            " + datum.digits)",
            harm="datum.stage > 0 && datum.value < datum.rainy ? 'yes' : 'no'",
            light="(datum.shown - datum.low) / max(datum.high - datum.low, 1e-9)",
        )
    )
    marks = alt.Chart().encode(
        x=alt.X("dataset:N", title=None, sort=alt.EncodingSortField("position", "min")).axis(
            labelAngle=vega.label_angle(rows["dataset"], step), domain=False, ticks=False
        ),
        y=alt.Y("after:N", title=None, sort=alt.EncodingSortField("stage", "min")).axis(domain=False, ticks=False),
        tooltip=[
            alt.Tooltip("method:N"),
            alt.Tooltip("after:N"),
            alt.Tooltip("dataset:N", title="scored on"),
            alt.Tooltip("text:N", title="shown"),
            alt.Tooltip("harm:N", title="below its rainy input"),
            *(
                alt.Tooltip(f"{metric}:Q", title=title, format=form)
                for metric, title, form in zip(
                    METRICS,
                    ("PSNR Y, dB", "SSIM Y", "PSNR RGB, dB", "SSIM RGB"),
                    (".2f", ".4f", ".2f", ".4f"),
                    strict=True,
                )
            ),
            alt.Tooltip("images:Q"),
        ],
    )
    cells = marks.mark_rect(cornerRadius=3, stroke="transparent", strokeWidth=2).encode(
        color=alt.Color("shown:Q", title=None).scale(scheme="viridis", zero=False),
    )
    numbers = marks.mark_text(fontSize=12).encode(
        text="text:N", color=alt.condition("datum.light > 0.6", alt.value("black"), alt.value("white"))
    )
    alarm = marks.transform_filter("datum.harm === 'yes'").mark_point(
        shape="triangle-down", filled=True, opacity=1, size=60, color=ALARM, stroke="white", strokeWidth=1,
        aria=False,  # the cell's own description says it; without triangles the group would have no name
        xOffset=0 if many else 25, yOffset=0 if many else -9,
    )  # fmt: skip
    panel = alt.layer(cells, alarm) if many else alt.layer(cells, numbers, alarm)
    panel = panel.properties(width=alt.Step(step), height=alt.Step(22 if many else 34))
    panels = panel.facet(alt.Facet("method:N", title=None, sort=common.methods), data=shown.data, columns=3, spacing=24)
    # With shared axes, only the last row of panels would name the datasets.
    return vega.over(shown, panels.resolve_axis(x="independent"))


def curves(rows: pd.DataFrame, chosen: Chosen, common: Common) -> vega.Chart:
    """Score on each dataset over the stages, one line per method. rows: from chartdata.matrix."""
    base = _of_metric(vega.chart(rows, **chosen)).transform_calculate(text="format(datum.value, datum.digits)")
    encoded = (
        alt.Chart()
        .transform_filter("datum.stage > 0")
        .encode(
            x=alt.X("after:N", title=None, sort=alt.EncodingSortField("stage", "min")).axis(labelAngle=-20),
            y=alt.Y("value:Q", title=None).scale(zero=False),
            **vega.colour(rows["method"], common.methods, "method", "method"),
            tooltip=["method:N", "dataset:N", "after:N", alt.Tooltip("text:N", title="score")],
        )
    )
    lines = encoded.mark_line(strokeWidth=1.8)
    points = encoded.mark_point(filled=True).encode(
        size=alt.condition("datum.stage === datum.learned_at", alt.value(130), alt.value(40))
    )
    rainy = (
        alt.Chart()
        .transform_filter("datum.stage === 0")
        .mark_rule(strokeDash=[3, 3], color=vega.GREY, aria=False)
        .encode(y=alt.Y("value:Q").aggregate("mean"))
    )
    panel = alt.layer(rainy, lines, points).properties(width=230, height=180)
    datasets = alt.Facet("dataset:N", title=None, sort=alt.EncodingSortField("position", "min"))
    panels = panel.facet(datasets, data=base.data, columns=3, spacing=24)
    return vega.over(base, panels.resolve_axis(x="independent"))


def chord(rows: pd.DataFrame, chosen: Chosen, common: Common) -> vega.Chart:
    """Blends and methods in the plane of old against new scores, a panel for each stage. rows: from chartdata.chord."""
    base = (
        vega.chart(rows, **chosen)
        .add_params(alt.param(name="metric", value=METRICS[0]))
        .transform_calculate(old="datum['old_' + metric]", new="datum['new_' + metric]")
        .transform_calculate(digits="indexof(metric, 'ssim') < 0 ? '.2f' : '.4f'")
        .transform_filter("isValid(datum.old) && isValid(datum.new)")
        .transform_calculate(old_text="format(datum.old, datum.digits)", new_text="format(datum.new, datum.digits)")
    )
    colour = vega.colour(rows["name"], common.methods, "method", "name")
    encoded = alt.Chart().encode(
        x=alt.X("old:Q", title="mean score on the old datasets").scale(zero=False),
        y=alt.Y("new:Q", title="score on the newest dataset").scale(zero=False),
        color=colour["color"],
        tooltip=[
            alt.Tooltip("name:N", title="method"),
            alt.Tooltip("after:N"),
            alt.Tooltip("alpha:Q", title="α"),
            alt.Tooltip("old_text:N", title="old"),
            alt.Tooltip("new_text:N", title="new"),
        ],
    )
    blends = encoded.transform_filter("datum.line > 0")
    lines = blends.mark_line().encode(
        order="alpha:Q",
        strokeWidth=alt.condition("datum.line > 1", alt.value(3), alt.value(1)),
    )
    measured = blends.mark_point(filled=True, size=25)
    methods = encoded.transform_filter("datum.line === 0").mark_point(filled=True, size=130, opacity=0.9)
    methods = methods.encode(shape=colour["shape"])
    panel = alt.layer(lines, measured, methods).properties(width=270, height=230)
    stages = alt.Facet("after:N", title=None, sort=alt.EncodingSortField("stage", "min"))
    panels = panel.facet(stages, data=base.data, columns=3, spacing=24)
    return vega.over(base, panels.resolve_scale(x="independent", y="independent"))


def orders(rows: pd.DataFrame, chosen: Chosen, common: Common) -> vega.Chart:
    """Mean, worst and spread over orders of each method. rows: from chartdata.continual.

    If orders contain different sets of datasets, each set has a row of panels of its own.
    """
    base = alt.Chart().encode(
        y=alt.Y("method:N", title=None, sort=common.methods),
        x=alt.X("value:Q", title=None).scale(zero=False),
    )
    spread = base.mark_rule(strokeWidth=4, opacity=0.3, color=vega.GREY).encode(
        x=alt.X("value:Q").aggregate("min"), x2=alt.X2("value:Q").aggregate("max")
    )
    each = base.mark_tick(thickness=2, size=16, color=vega.GREY).encode(
        tooltip=["method:N", "order:N", alt.Tooltip("quantity:N"), alt.Tooltip("value:Q", format=".4~f")]
    )
    mean = base.mark_point(filled=True, size=90, opacity=1).encode(
        x=alt.X("value:Q").aggregate("mean"),
        color=vega.colour(rows["method"], common.methods, "method", "method")["color"].legend(None),
        tooltip=["method:N", "quantity:N", alt.Tooltip("value:Q", aggregate="mean", title="mean", format=".4~f")],
    )
    panel = alt.layer(spread, each, mean).properties(width=230, height=alt.Step(26))
    quantities = list(dict.fromkeys(rows["quantity"]))
    base = vega.chart(rows, metric=METRICS[0], **chosen)
    if "datasets" in rows:
        lines = alt.Row("datasets:N", title=None, sort=list(dict.fromkeys(rows["datasets"])))
        column = alt.Column("quantity:N", title=None, sort=quantities)
        panels = panel.facet(row=lines, column=column, data=base.data, spacing=24)
    else:
        panels = panel.facet(
            alt.Facet("quantity:N", title=None, sort=quantities), data=base.data, columns=3, spacing=24
        )
    return vega.over(base, panels.resolve_scale(x="independent"))


def training(rows: pd.DataFrame, chosen: Chosen, common: Common) -> vega.Chart:
    """Loss terms along a sequence, one panel per term. rows: from chartdata.training."""
    last = int(rows["stage"].max())
    panels = []
    for term in (name for name in terms(rows) if rows[name].notna().any()):
        each = rows.dropna(subset=term).groupby(["network", "method", "order", "stage"]).size()
        dots = term.startswith("validation") or each.max() <= DOTS_UP_TO
        lines = (
            alt.Chart()
            .transform_filter(f"isValid(datum.{term})")
            .mark_line(strokeWidth=1.5, point=alt.OverlayMarkDef(size=14) if dots else False)
            .encode(
                x=alt.X("progress:Q", title="stages learned")
                .axis(values=list(range(last + 1)), format="d")
                .scale(domain=[0, last]),
                y=alt.Y(f"{term}:Q", title=None).scale(zero=False).axis(format="~g"),
                **vega.line(rows["method"], common.methods, "method", "method"),
                detail="stage:N",
                tooltip=["method:N", "dataset:N", "step:Q", alt.Tooltip(f"{term}:Q", format=".4~f")],
            )
        )
        title = alt.Title((TITLES | {**common.titles}).get(term, term), anchor="start", fontSize=12)
        panels.append(lines.properties(width=330, height=140, title=title))
    return vega.over(vega.chart(rows, **chosen), alt.concat(*panels, columns=2, spacing=20))


def _stage_names(table: pd.DataFrame) -> pd.Series:
    return table["method"] + ": " + table["datasets"].map(as_read)


def strengths(rows: pd.DataFrame, chosen: Chosen, common: Common) -> vega.Chart:
    """Validation PSNR of each candidate strength; the chosen one is filled. rows: tables/strengths.csv."""
    scales = [f"{scale:g}" for scale in sorted(rows["scale"].unique())]
    return _candidates(
        rows, chosen, alt.X("scale_text:O", sort=scales, title="scale of the strengths").axis(labelAngle=0)
    )


def tradeoff(rows: pd.DataFrame, chosen: Chosen, common: Common) -> vega.Chart:
    """Validation PSNR of each candidate strength against the relative move of the weights, ‖θ − θⁿ‖/‖θⁿ‖."""
    return _candidates(rows, chosen, alt.X("relative_move:Q", title="how far the weights moved, ‖θ − θⁿ‖/‖θⁿ‖"))


def blends(rows: pd.DataFrame, chosen: Chosen, common: Common) -> vega.Chart:
    """Validation PSNR of each share α of the training in a blend; the chosen one is filled. rows: tables/blends.csv."""
    return _candidates(
        rows.rename(columns={"alpha": "scale"}), chosen, alt.X("scale:Q", title="α, share of the training")
    )


def _candidates(rows: pd.DataFrame, chosen: Chosen, x: alt.X) -> vega.Chart:
    rows = rows.assign(
        stage=_stage_names(rows), scale_text=rows["scale"].map("{:g}".format), chosen=rows["chosen"].astype(int)
    )
    columns = ["network", "stage", "seed", "scale", "scale_text", "relative_move", "validation_psnr_rgb_db", "chosen"]
    base = alt.Chart().encode(
        x=x,
        y=alt.Y("validation_psnr_rgb_db:Q", title="validation PSNR on RGB of the new dataset, dB").scale(zero=False),
        **vega.line(rows["stage"], (), "stage", "stage"),
        detail="seed:N",
        tooltip=["network:N", "stage:N", "seed:N", "scale:Q", alt.Tooltip("validation_psnr_rgb_db:Q", format=".2f"),
                 alt.Tooltip("relative_move:Q", format=".3f")],
    )  # fmt: skip
    lines = base.mark_line().encode(order="scale:Q")
    every, taken = base.mark_point(size=50), base.transform_filter("datum.chosen > 0").mark_point(filled=True, size=130)
    layers = alt.layer(lines, every, taken).properties(width=300, height=220)
    return vega.over(vega.chart(rows[columns], **chosen), layers)


def theory(rows: pd.DataFrame, chosen: Chosen, common: Common) -> vega.Chart:
    """The change of each old loss against its first-order estimate and its bound, on logarithmic axes.

    rows: tables/theory.csv. Each point is a stage and an earlier dataset; on the dashed line both values are equal.
    """
    predictors = {"first_order": "first-order estimate |∇LᵀΔ|", "bound": "bound Σ Ω|Δ|"}
    long = rows.rename(columns=predictors).melt(
        ["network", "seed", "method", "datasets", "dataset", "change"], list(predictors.values()), var_name="predictor"
    )
    long = long.assign(
        change=long["change"].abs().clip(lower=1e-6),
        value=long["value"].abs().clip(lower=1e-6),
        sequence=long.pop("datasets").map(as_read),
    )
    low = float(min(long["change"].min(), long["value"].min()))
    high = float(max(long["change"].max(), long["value"].max()))
    axis = alt.Scale(type="log", domain=[low, high])
    points = (
        alt.Chart()
        .mark_point(filled=True, size=70, opacity=0.85)
        .encode(
            x=alt.X("value:Q", title="predicted change of the loss", scale=axis).axis(format="~g", tickCount=5),
            y=alt.Y("change:Q", title="actual |change|", scale=axis).axis(format="~g", tickCount=5),
            **vega.colour(long["method"], common.methods, "method", "method"),
            tooltip=["network:N", "method:N", "sequence:N", alt.Tooltip("dataset:N", title="loss of"),
                     alt.Tooltip("value:Q", title="predicted", format=".3~g"),
                     alt.Tooltip("change:Q", title="actual", format=".3~g")],
        )
    )  # fmt: skip
    equality = (
        alt.Chart()
        .mark_rule(strokeDash=[4, 4], color=vega.GREY, aria=False)
        .encode(x=alt.datum(low), y=alt.datum(low), x2=alt.datum(high), y2=alt.datum(high))
    )
    panel = alt.layer(points, equality, data=vega.data(long)).properties(width=270, height=270)
    return panel.facet(alt.Facet("predictor:N", title=None, sort=list(predictors.values())), columns=2)


def omega_layers(rows: pd.DataFrame, chosen: Chosen, common: Common) -> vega.Chart:
    """Share of each layer in ΣΩ, one point per dataset."""
    encodings = vega.colour(rows["dataset"], common.datasets, "dataset", "dataset", values=_shown(rows, chosen))
    return _layers(rows, chosen, "share", "share of ΣΩ", encodings)


def moves(rows: pd.DataFrame, chosen: Chosen, common: Common) -> vega.Chart:
    """Relative move of each layer, one point per method and stage, the larger the later the stage."""
    size = alt.Size("stage:O", title="datasets learned").scale(range=[30, 150])
    encodings = vega.colour(rows["method"], common.methods, "method", "method") | {"size": size}
    return _layers(rows, chosen, "relative_move", "‖θ − θⁿ‖/‖θⁿ‖ in a stage", encodings)


def _shown(rows: pd.DataFrame, chosen: Chosen) -> alt.ExprRef:
    """The datasets that have rows for the chosen values of the switches, as an expression: for legends, whose colours
    are those of all datasets.
    """
    switches = [name for name in chosen if name in rows]
    keys = rows[switches].astype(str).agg("|".join, axis=1)
    names = rows["dataset"].groupby(keys, sort=False).agg(lambda column: list(dict.fromkeys(column)))
    key = " + '|' + ".join(switches)
    return alt.ExprRef(expr=f"({json.dumps(names.to_dict(), ensure_ascii=False)})[{key}]")


def _layers(rows: pd.DataFrame, chosen: Chosen, value: str, title: str, encodings: Mapping[str, Any]) -> vega.Chart:
    """A value of each layer as points, one line per layer. encodings: of colour, shape and size."""
    columns = [*dict.fromkeys(["network", "method", "order", "dataset", "stage", "layer", value, *chosen])]
    encoded = vega.chart(rows[columns], **chosen).encode(
        x=alt.X(f"{value}:Q", title=title),
        y=alt.Y("layer:N", title=None, sort=list(dict.fromkeys(rows["layer"]))).axis(grid=True),
        **encodings,
        tooltip=[
            "layer:N",
            "method:N",
            alt.Tooltip("dataset:N", title="learned"),
            alt.Tooltip(f"{value}:Q", format=".3~g"),
        ],
    )
    points = encoded.mark_point(filled=True, opacity=0.85, size=alt.Undefined if "size" in encodings else 60)
    return points.properties(width=330, height=alt.Step(17))


def omega_distribution(rows: pd.DataFrame, chosen: Chosen, common: Common) -> vega.Chart:
    """Share of the weights by log10 Ω, one line per dataset. rows: tables/omega-distribution.csv, by order."""
    columns = [*dict.fromkeys(["network", "method", "order", "dataset", "log10_low", "share", *chosen])]
    encodings = vega.line(rows["dataset"], common.datasets, "dataset", "dataset", values=_shown(rows, chosen))
    encoded = vega.chart(_with_empty_bins(rows)[columns], **chosen).encode(
        x=alt.X("log10_low:Q", title="log₁₀ Ω"),
        y=alt.Y("share:Q", title="share of all weights").axis(format="%"),
        **encodings,
        tooltip=["dataset:N", "log10_low:Q", alt.Tooltip("share:Q", format=".2%")],
    )
    return encoded.mark_line(interpolate="step-after", strokeWidth=1.8).properties(width=330, height=200)


def _with_empty_bins(rows: pd.DataFrame) -> pd.DataFrame:
    """Add a row of share 0 where the next bin of a line begins later than its last one ends: the table has no empty
    bins, and a line of steps keeps its height up to the next row.
    """
    last = [name for name in rows if name not in ("log10_low", "log10_high", "share")]
    ordered = rows.sort_values("log10_low")
    ends = ordered.groupby(last, sort=False, dropna=False)["log10_low"].shift(-1)
    before_gaps = ordered[~np.isclose(ends.fillna(np.inf), ordered["log10_high"])]
    empty = before_gaps.assign(log10_low=before_gaps["log10_high"], share=0.0)
    return pd.concat([rows, empty], ignore_index=True)


def omega_overlap(rows: pd.DataFrame, chosen: Chosen, common: Common) -> vega.Chart:
    """Share of the most important weights that two datasets have in common, as a heat map.

    rows: tables/omega-overlap.csv, by order.
    """
    step = 64
    base = alt.Chart().encode(
        x=alt.X("dataset:N", title="Ω of the later dataset").axis(
            orient="top", labelAngle=vega.label_angle(rows["dataset"], step), domain=False, ticks=False
        ),
        y=alt.Y("earlier:N", title="of the earlier one").axis(domain=False, ticks=False),
        tooltip=["method:N", "earlier:N", "dataset:N", alt.Tooltip("overlap:Q", format=".1%")],
    )
    cells = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color("overlap:Q", title=None).scale(scheme="viridis", domain=[0, 1]).legend(format="%")
    )
    numbers = base.mark_text(fontSize=12).encode(
        text=alt.Text("overlap:Q", format=".0%"),
        color=alt.condition("datum.overlap > 0.6", alt.value("black"), alt.value("white")),
    )
    return vega.over(
        vega.chart(rows, **chosen), alt.layer(cells, numbers).properties(width=alt.Step(step), height=alt.Step(34))
    )
