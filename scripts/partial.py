"""A page of what there is, while a run goes on or after it stopped: results/partial.html.

python scripts/partial.py [--configfile my.yaml] [--directory DIR]
"""

import argparse
import os
import sys
from pathlib import Path

import yaml
from derain.config import schema as config
from derain.errors import exit_in_one_line
from derain.files.atomic import write_whole
from derain.plan.plan import Plan
from derain.report.page import render
from derain.report.partial import partial_content

PAGE = "results/partial.html"


def main() -> None:
    """Read the config, and write the page below the working directory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parent.parent / "config.yaml"
    parser.add_argument("--configfile", default=str(default), help="of the run; - reads it from the standard input")
    parser.add_argument("--directory", type=Path, default=Path(), help="where the run has its results")
    arguments = parser.parse_args()
    told = sys.stdin.read() if arguments.configfile == "-" else Path(arguments.configfile).read_text(encoding="utf-8")
    os.chdir(arguments.directory)
    with exit_in_one_line():
        experiment = config.read(yaml.safe_load(told))
        content = partial_content(Plan(experiment), experiment.model_dump(mode="json"))
        Path(PAGE).parent.mkdir(exist_ok=True)
        write_whole(PAGE, render(content).encode())
    print(f"{PAGE}: {len(content.missing) or 'nothing'} missing")


if __name__ == "__main__":
    main()
