"""Charts of the page as SVG inside it: drawn by Altair, without scripts or network."""

import altair as alt
import pandas as pd
import vl_convert


def svg(chart: alt.Chart | alt.LayerChart | alt.FacetChart) -> str:
    """A chart as an SVG element. Text is escaped by the renderer."""
    drawing: str = vl_convert.vegalite_to_svg(chart.to_json())
    return drawing


def strength_curves(strengths: pd.DataFrame) -> str:
    """Plasticity against the scale of the strengths, a line for each searched stage; the chosen scale is filled.

    strengths: results/tables/strengths.csv.
    """
    table = strengths.assign(
        stage=strengths["method"] + ": " + strengths["datasets"].str.replace(">", " → "),
        scale_text=strengths["scale"].map("{:g}".format),
    )
    scales = [f"{scale:g}" for scale in sorted(table["scale"].unique())]
    base = alt.Chart(table).encode(
        x=alt.X("scale_text:N", sort=scales, title="scale of the strengths"),
        y=alt.Y("validation_psnr_rgb_db:Q", title="PSNR on the new dataset's validation pairs, dB").scale(zero=False),
        color=alt.Color("stage:N", title="stage").scale(scheme="viridis"),
        detail="seed:N",
    )
    chosen = base.transform_filter("datum.chosen").mark_point(filled=True, size=120)
    return svg((base.mark_line(point={"filled": False}) + chosen).properties(width=480, height=260))


def theory_scatter(theory: pd.DataFrame) -> str:
    """The change of each old loss against its first-order estimate and its bound, on logarithmic axes.

    theory: results/tables/theory.csv. A point is a stage and an earlier dataset; the line is equality.
    """
    predictors = {"first_order": "first-order estimate |∇LᵀΔ|", "bound": "bound Σ Ω|Δ|"}
    long = theory.rename(columns=predictors).melt(
        ["method", "datasets", "dataset", "change"], list(predictors.values()), var_name="predictor"
    )
    long = long.assign(change=long["change"].abs().clip(lower=1e-6), value=long["value"].abs().clip(lower=1e-6))
    low = float(min(long["change"].min(), long["value"].min()))
    high = float(max(long["change"].max(), long["value"].max()))
    axis = alt.Scale(type="log", domain=[low, high])
    points = (
        alt.Chart(long)
        .mark_point(filled=True, size=60)
        .encode(
            x=alt.X("value:Q", title="predicted change of the loss", scale=axis),
            y=alt.Y("change:Q", title="actual |change| of the loss", scale=axis),
            color=alt.Color("method:N", title="method").scale(scheme="viridis"),
            shape=alt.Shape("method:N", title="method"),
        )
    )
    equality = (
        alt.Chart()
        .mark_rule(strokeDash=[4, 4], color="grey")
        .encode(x=alt.datum(low), y=alt.datum(low), x2=alt.datum(high), y2=alt.datum(high))
    )
    panel = alt.layer(points, equality, data=long).properties(width=320, height=320)
    return svg(panel.facet(alt.Facet("predictor:N", title=None, sort=list(predictors.values())), columns=2))
