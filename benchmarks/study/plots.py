"""The plots of docs/explanation/study.md: python benchmarks/study/plots.py RUN OUT

RUN is the folder in which the study ran. Writes into OUT, as SVG: study-orders.svg, every method over both orders, and
study-chord-1.svg and -2.svg, old datasets against the newest at each stage of an order, of the first seed.
"""

import argparse
import sys
from pathlib import Path

import vl_convert

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common  # noqa: F401  # finds the library
from derain.report.figures import Figures
from derain.report.tables import read_tables

NETWORK = "small"


def main() -> None:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    files = [asked.run / f"results/tables/{name}.csv" for name in ("matrix", "continual", "summary", "chord")]
    drawn = Figures(read_tables(files, "nearest"), {}, {}, {}, 0)
    figures = {"study-orders": drawn.on_paper("orders", NETWORK, None)}
    figures |= {f"study-chord-{n}": drawn.on_paper("chord", NETWORK, order) for n, order in enumerate(drawn.orders, 1)}
    asked.out.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        svg: str = vl_convert.vegalite_to_svg(figure.on_paper)
        (asked.out / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
