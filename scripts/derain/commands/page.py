"""Write the page of an unfinished run.

The page, partial.html, stands where report.html will stand. It shows the existing results, and lists what is missing
and why.
"""

import argparse

from derain.commands.experiment import add_experiment_options, read_experiment

add_options = add_experiment_options


def run(options: argparse.Namespace) -> None:
    """Write the page, and print its file."""
    from derain.commands.partial import write_partial_page

    file, missing = write_partial_page(read_experiment(options))
    print(f"{file}: {missing or 'nothing'} missing")
