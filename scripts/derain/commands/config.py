"""Check a config without running anything, and summarise its experiment."""

import argparse
import signal
from pathlib import Path

from derain.commands.experiment import add_experiment_options, read_experiment

NAMES_SHOWN = 8


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add those of the experiment, and --defaults."""
    add_experiment_options(parser)
    parser.add_argument("--defaults", action="store_true", help="print the whole config, with its defaults, as YAML")


def run(options: argparse.Namespace) -> None:
    """Print "ok" with a summary, or the config."""
    import yaml

    from derain.plan.networks import digests_of_classes
    from derain.plan.plan import Plan
    from derain.restoration.planned import PlannedPhotographs

    experiment = read_experiment(options)
    digests_of_classes(experiment)  # for their faults
    if experiment.photographs:
        PlannedPhotographs(experiment.photographs.files, Path()).listed()  # for their faults
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head`
    if options.defaults:
        print(yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False), end="")
        return
    orders = [" → ".join(order) for order in experiment.orders]
    methods = [*experiment.methods, *(["joint"] if experiment.joint else [])]
    print("ok")
    for kind, names in (("datasets", list(experiment.datasets)), ("orders", orders), ("methods", methods)):
        more = f", … and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        print(f"{kind} ({len(names)}): {', '.join(names[:NAMES_SHOWN])}{more}".rstrip())
    plan = Plan(experiment)
    print(f"stages: {len(plan.stages)}\ntrainings: {len(plan.trainings)}")
