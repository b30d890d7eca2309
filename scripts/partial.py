"""A page of what there is, while a run goes on or after it stopped: results/partial.html.

python scripts/partial.py [--configfile my.yaml] [--directory DIR]
"""

import argparse
import os
import sys
from pathlib import Path
from pkgutil import resolve_name

import pandas as pd
from derain.config import schema
from derain.config.reading import load, load_file
from derain.errors import exit_in_one_line
from derain.evaluation.continual import score_tables
from derain.evaluation.tables import read_table
from derain.files.atomic import write_whole
from derain.plan.page import PagePlan
from derain.plan.plan import Plan
from derain.report.content import content_of
from derain.report.missing import exist, is_scored
from derain.report.page import render

PAGE, COST = "results/partial.html", "results/tables/cost.csv"


def tables_of_what_exists(page: PagePlan) -> dict[str, pd.DataFrame]:
    """The tables of results/tables, of the stages that have what they are made from."""
    experiment, content = page.experiment, page.content
    scored = [(stage, stage["scores"]) for stage in content["stages"] if exist(stage["scores"])]
    rainy = [files["rainy"] for files in content["datasets"].values() if is_scored(files)]
    found = score_tables(
        scored, rainy, experiment.evaluation.rounding, experiment.methods, experiment.orders, page.plan.memory_bytes
    )
    for name, table in page.tables.items():
        if existing := [(stage, files) for stage, files in table.sources(page.plan) if exist(files)]:
            found[name] = resolve_name(table.make)(existing)
    return found | ({"cost": read_table(COST)} if exist([COST]) else {})


def main() -> None:
    """Read the config, and write the page below the working directory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parent.parent / "config.yaml"
    parser.add_argument("--configfile", default=str(default), help="of the run; - reads it from the standard input")
    parser.add_argument("--directory", type=Path, default=Path(), help="where the run has its results")
    arguments = parser.parse_args()
    with exit_in_one_line():
        file = arguments.configfile
        given = load(sys.stdin.read(), "standard input") if file == "-" else load_file(file)
        os.chdir(arguments.directory)
        experiment = schema.read(given)
        page = PagePlan(Plan(experiment))
        content = content_of(page.content, tables_of_what_exists(page), experiment.model_dump(mode="json"))
        Path(PAGE).parent.mkdir(exist_ok=True)
        write_whole(PAGE, render(content).encode())
    print(f"{PAGE}: {len(content.missing) or 'nothing'} missing")


if __name__ == "__main__":
    main()
