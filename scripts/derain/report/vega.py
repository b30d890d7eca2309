"""What all charts have in common, as Vega-Lite: the page draws it, and the paper has it as SVG and PDF.

Colours of values are viridis; colours of names are Tol's "vibrant" ones, told apart by shapes as well. Lines and
letters take the colour of the text around them, so that one drawing serves light and dark pages. Parameters without a
widget (metric, order ...) are set by the switches of the page; a drawing on paper has their defaults.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

Chart = alt.Chart | alt.LayerChart | alt.FacetChart | alt.ConcatChart
# Tol's vibrant set, then some of his bright and muted ones, all of which show on light and dark. Colours are more than
# shapes, and not a multiple of them, so that 24 names look different.
COLOURS = ["#0077BB", "#EE7733", "#009988", "#CC3311", "#33BBEE", "#EE3377", "#AA8800", "#8877CC",
           "#228833", "#AA4499", "#CC6677", "#999933"]  # fmt: skip
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]
GREY = "#888888"
CONFIG: dict[str, Any] = {
    "font": "system-ui, Helvetica, Arial, sans-serif",
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "currentColor", "titleColor": "currentColor", "domainColor": GREY, "tickColor": GREY,
        "gridColor": GREY, "gridOpacity": 0.25, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal",
        "labelLimit": 150,
    },
    "header": {"labelColor": "currentColor", "titleColor": "currentColor", "labelFontSize": 13, "labelFontWeight": 600},
    "legend": {"labelColor": "currentColor", "titleColor": "currentColor", "titleFontWeight": "normal",
        "labelLimit": 220},
    "title": {"color": "currentColor"},
}  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A chart, what it shows in words, more for its caption, and the section of the page where it stands."""

    name: str
    alt: str
    note: str
    section: str
    chart: Chart

    @property
    def specification(self) -> dict[str, Any]:
        """Vega-Lite, with data."""
        chart = self.chart.properties(description=self.alt).configure(**CONFIG)
        found: dict[str, Any] = chart.to_dict()
        return found

    @property
    def on_paper(self) -> dict[str, Any]:
        """The same on white, in black, with room at the sides for viewers whose font is wider than ours."""
        found: dict[str, Any] = json.loads(json.dumps(self.specification).replace('"currentColor"', '"black"'))
        return found | {"background": "white", "padding": {"left": 24, "right": 24, "top": 5, "bottom": 5}}


def data(table: pd.DataFrame) -> alt.InlineData:
    """A table inside a chart. As CSV it takes a third of the bytes that records would; names stay text."""
    kinds = {name: "number" if pd.api.types.is_numeric_dtype(table[name]) else "string" for name in table}
    text = table.to_csv(index=False, float_format="%.8g", lineterminator="\n")
    return alt.InlineData(values=text, format=alt.CsvDataFormat(type="csv", parse=kinds))


def chart(table: pd.DataFrame, **chosen: Any) -> alt.Chart:
    """A chart of the rows whose columns have the chosen values, which the page's switches change."""
    found = alt.Chart(data(table))
    for name, value in chosen.items():
        found = found.add_params(alt.param(name=name, value=value)).transform_filter(f"datum.{name} === {name}")
    return found


def over(rows: alt.Chart, marks: Chart) -> Chart:
    """Marks that were made without data, on the rows of a chart: its data stand in the drawing once, and what is
    computed of them is computed over all panels.
    """
    marks.data, marks.transform, marks.params = rows.data, rows.transform, rows.params
    return marks


def colour(names: Sequence[str], title: str, field: str) -> dict[str, Any]:
    """Colour and shape of a name, the same in every chart of the same names."""
    colours = [COLOURS[n % len(COLOURS)] for n in range(len(names))]
    shapes = [SHAPES[n % len(SHAPES)] for n in range(len(names))]
    return {
        "color": alt.Color(f"{field}:N", title=title).scale(domain=list(names), range=colours),
        "shape": alt.Shape(f"{field}:N", title=title).scale(domain=list(names), range=shapes),
    }
