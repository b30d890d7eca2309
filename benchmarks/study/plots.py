"""The plots of docs/study.md: python benchmarks/study/plots.py RUN OUT

RUN is the folder in which the study ran. Writes into OUT, as SVG: study-orders.svg, every method over both orders, and
study-curves-1.svg and -2.svg, the scores of some methods on each dataset over the stages of an order.
"""

import argparse
import sys
from pathlib import Path

import vl_convert

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from derain.report.figures import Figures
from derain.report.gathered import read_tables

NAMES = {"orders-small": "study-orders", "curves-small-1": "study-curves-1", "curves-small-2": "study-curves-2"}
CURVES = ("finetune", "nr", "ewc", "rain", "rain_half", "joint")


def main() -> None:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    files = [asked.run / f"results/tables/{name}.csv" for name in ("matrix", "continual", "summary")]
    tables = read_tables(files, "nearest")
    some = {name: table[table["method"].isin(CURVES)] for name, table in tables.items()}
    for of, wanted in ((tables, "orders"), (some, "curves")):
        for figure in Figures(of, {}).on_paper():
            if figure.name.startswith(wanted):
                svg: str = vl_convert.vegalite_to_svg(figure.on_paper)
                (asked.out / f"{NAMES[figure.name]}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
