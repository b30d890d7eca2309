"""Common parts of all charts, in Vega-Lite. The browser draws them on the page; a paper uses them as SVG or PDF.

Values are coloured with viridis. Names have Tol's "vibrant" colours and differ in shape as well. Lines and letters take
the text colour of the page, so that one drawing serves light and dark pages. The switches of the page set parameters
(metric, order ...); a figure for a paper has their defaults.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

Chart = alt.Chart | alt.LayerChart | alt.FacetChart | alt.ConcatChart
# Tol's vibrant set, then some of his bright and muted colours; all are visible on light and dark. With 12 colours and
# 8 shapes, up to 24 names look different.
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
    """A chart. alt: description in words; note: further text for its caption; section: of the page."""

    name: str
    alt: str
    note: str
    section: str
    chart: Chart

    @property
    def specification(self) -> dict[str, Any]:
        """Vega-Lite specification, including the data."""
        chart = self.chart.properties(description=self.alt).configure(**CONFIG)
        found: dict[str, Any] = chart.to_dict()
        return found

    @property
    def on_paper(self) -> dict[str, Any]:
        """The specification in black on white, with room at the sides for viewers whose font is wider."""
        found: dict[str, Any] = json.loads(json.dumps(self.specification).replace('"currentColor"', '"black"'))
        return found | {"background": "white", "padding": {"left": 24, "right": 24, "top": 5, "bottom": 5}}


def data(table: pd.DataFrame) -> alt.InlineData:
    """Return a table as inline data. As CSV it takes a third of the bytes of JSON records; text columns stay text."""
    kinds = {name: "number" if pd.api.types.is_numeric_dtype(table[name]) else "string" for name in table}
    text = table.to_csv(index=False, float_format="%.8g", lineterminator="\n")
    return alt.InlineData(values=text, format=alt.CsvDataFormat(type="csv", parse=kinds))


def chart(table: pd.DataFrame, **chosen: Any) -> alt.Chart:
    """Return a chart of the rows whose columns have the chosen values; the switches of the page change these values."""
    found = alt.Chart(data(table))
    for name, value in chosen.items():
        found = found.add_params(alt.param(name=name, value=value)).transform_filter(f"datum.{name} === {name}")
    return found


def over(rows: alt.Chart, marks: Chart) -> Chart:
    """Give marks without data the data, transforms and parameters of a chart.

    So the specification contains the data once, and the transforms apply to all panels together.
    """
    marks.data, marks.transform, marks.params = rows.data, rows.transform, rows.params
    return marks


def colour(names: Iterable[str], known: Sequence[str], title: str, field: str) -> dict[str, Any]:
    """Return colour and shape encodings of the distinct names, in the order of `known`.

    known: names that have the same colour and shape in every chart, whichever of them it shows; others follow them.
    """
    places = {name: n for n, name in enumerate(dict.fromkeys([*known, *names]))}
    shown = sorted(set(names), key=places.__getitem__)
    colours = [COLOURS[places[name] % len(COLOURS)] for name in shown]
    shapes = [SHAPES[places[name] % len(SHAPES)] for name in shown]
    return {
        "color": alt.Color(f"{field}:N", title=title).scale(domain=shown, range=colours),
        "shape": alt.Shape(f"{field}:N", title=title).scale(domain=shown, range=shapes),
    }
