"""The page of the existing results, during a run or after it stopped: partial.html, beside report.html."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name

import pandas as pd

from derain.config.experiment import Experiment
from derain.engine.recorded import Records
from derain.evaluation.complete import fault_of_stage, images_of
from derain.evaluation.continual import score_tables
from derain.evaluation.reading import read_table
from derain.files.atomic import write_whole
from derain.plan.current import Current
from derain.plan.page import PagePlan
from derain.plan.plan import Plan
from derain.plan.planned import last_config
from derain.plan.sources import last_seen
from derain.report.content import content_of
from derain.report.missing import exists, is_scored, missing_photographs
from derain.report.page import render

OF_ANOTHER_CONFIG = "the last run here was of another config, whose test pairs are in results; run this config again"


def tables_of_what_exists(page: PagePlan, current: Callable[[str], bool]) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Return the tables of the page, from the stages whose files are current, and the faults of scores that are left
    out.
    """
    experiment, content = page.experiment, page.content
    datasets = {name: files for name, files in content["datasets"].items() if is_scored(files, current)}
    images = images_of({name: files["pairs"] for name, files in datasets.items()})
    roundings = experiment.evaluation.rounding
    scored = [
        (stage | {"scored": experiment.scored_on(stage["network"])}, stage["scores"])
        for stage in content["stages"]
        if all(map(current, stage["scores"]))
    ]
    advice = OF_ANOTHER_CONFIG if _another_config_was_run(experiment) else ""
    faults = [fault_of_stage(source, images, roundings, advice) for source in scored]
    whole = [source for source, fault in zip(scored, faults, strict=True) if not fault]
    found = score_tables(
        whole,
        datasets,
        roundings,
        experiment.methods,
        experiment.orders,
        page.plan.old_data_bytes,
        page.plan.at_once,
    )
    for name, table in page.tables.items():
        if existing := [(stage, files) for stage, files in table.sources(page.plan) if all(map(current, files))]:
            found[name] = resolve_name(table.make)(existing)
    cost = f"{page.folder}/tables/cost.csv"
    return found | ({"cost": read_table(cost)} if exists(cost) else {}), list(filter(None, faults))


def _another_config_was_run(experiment: Experiment) -> bool:
    """Whether the last run in the working directory was of another config: its test pairs may be others, too."""
    last, own = last_config(), experiment.model_dump(mode="json")
    return last is not None and any(last.get(key) != value for key, value in own.items())


def write_partial_page(experiment: Experiment) -> tuple[Path, int]:
    """Write the page below the working directory; return its file, and how many things are missing on it."""
    page = PagePlan(Plan(experiment))
    current = Current(PagePlan(Plan(experiment, last_seen(experiment, Path("results/datasets")))), Records())
    tables, faults = tables_of_what_exists(page, current)
    content = content_of(page.content, tables, experiment.model_dump(mode="json"), current)
    unfinished = missing_photographs(page.content, Path(page.folder), current)
    content = replace(
        content,
        missing=[*faults, *content.missing, *unfinished.values()],
        photographs=[shown for shown in content.photographs if shown[1] not in unfinished],
    )
    file = Path(page.folder, "partial.html")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, render(content).encode())
    return file, len(content.missing)
