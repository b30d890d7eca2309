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
# Of lines, which have no shapes: with 12 colours, up to 36 names look different.
DASHES = [[1, 0], [8, 3], [2, 3]]
GREY = "#888888"
LETTER = 7  # pixels; a letter of a label, about
LONGEST = 48  # letters of a label; longer ones lose their middle, because names often differ only at their end
SHORTENED = (
    f"length(datum.label) > {LONGEST} ? slice(datum.label, 0, {LONGEST // 2}) + '…' + "
    f"slice(datum.label, {1 - LONGEST // 2}) : datum.label"
)
CONFIG: dict[str, Any] = {
    "font": "system-ui, Helvetica, Arial, sans-serif",
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "currentColor", "titleColor": "currentColor", "domainColor": GREY, "tickColor": GREY,
        "gridColor": GREY, "gridOpacity": 0.25, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal",
        "labelLimit": 0, "labelExpr": SHORTENED,
    },
    "header": {"labelColor": "currentColor", "titleColor": "currentColor", "labelFontSize": 13, "labelFontWeight": 600},
    "legend": {"labelColor": "currentColor", "titleColor": "currentColor", "titleFontWeight": "normal",
        "labelLimit": 0},
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


def colour(names: Iterable[str], known: Sequence[str], title: str, field: str, **legend: Any) -> dict[str, Any]:
    """Return colour and shape encodings of the distinct names, in the order of `known`.

    known: names that have the same colour and shape in every chart, whichever of them it shows; others follow them;
    legend: further properties of the legend.
    """
    places = _places(names, known)
    shown, labelled = list(places), {"labelExpr": SHORTENED, **legend}
    colours = [COLOURS[n % len(COLOURS)] for n in places.values()]
    shapes = [SHAPES[n % len(SHAPES)] for n in places.values()]
    return {
        "color": alt.Color(f"{field}:N", title=title).scale(domain=shown, range=colours).legend(**labelled),
        "shape": alt.Shape(f"{field}:N", title=title).scale(domain=shown, range=shapes).legend(**labelled),
    }


def line(names: Iterable[str], known: Sequence[str], title: str, field: str, **legend: Any) -> dict[str, Any]:
    """Return the encodings of names that are lines: colours as in `colour`, and dashes where these repeat."""
    names = list(names)
    places = _places(names, known)
    dashed = max(places.values()) >= len(COLOURS)
    legend |= {"symbolType": "stroke"} if dashed else {}
    encodings = {"color": colour(names, known, title, field, **legend)["color"]}
    if dashed:
        dashes = [DASHES[n // len(COLOURS) % len(DASHES)] for n in places.values()]
        dash = alt.StrokeDash(f"{field}:N", title=title).scale(domain=list(places), range=dashes)
        encodings["strokeDash"] = dash.legend(labelExpr=SHORTENED, **legend)
    return encodings


def _places(names: Iterable[str], known: Sequence[str]) -> dict[str, int]:
    """The place of each of the names among those that are known, then the others; in the order of their places."""
    distinct = dict.fromkeys(names)
    return {name: n for n, name in enumerate(dict.fromkeys([*known, *distinct])) if name in distinct}


def label_angle(names: Iterable[str], room: int) -> int:
    """Return the angle of labels below (above) cells of a heat map: across if the names fit. room: pixels of a cell."""
    return 0 if max(map(len, names)) * LETTER <= room else -90
