"""The page of a run that has not finished: made from what there is, with a list of what there is not."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from derain.curriculum import GIVEN, Stage, as_read, in_tables, predecessor
from derain.evaluation.continual import tables_by_rounding
from derain.evaluation.layers import importance_tables, moves_table
from derain.evaluation.metrics import METRICS
from derain.evaluation.tables import gather, read_table, theory_correlations
from derain.plan.datasets import pixels, rainy_scores, tables
from derain.plan.page import PagePlan
from derain.plan.plan import Plan, place
from derain.report import gathered
from derain.report.page import Content
from derain.report.pictures import cards, encoded
from derain.report.provenance import provenance

SHOWN = 60  # lines of what is missing
PLACE = ["network", "seed", "method", "datasets"]


def partial_content(plan: Plan, config: dict[str, Any]) -> Content:
    """What the page can tell of the results in the working directory. config: as it was read, for the page."""
    experiment, page = plan.experiment, PagePlan(plan)
    rounding = experiment.evaluation.rounding[0]
    datasets = [name for name in experiment.scored_datasets if _there(_of_dataset(name))]
    scores, result = _scored(plan, datasets)
    scores = scores[scores["rounding"] == rounding]
    result = {name: table[table["rounding"] == rounding] for name, table in result.items()} | _other_tables(page)
    pairs = gathered.test_pairs(datasets, tables(datasets, "test"), pixels(datasets, "test"))
    rainy = gathered.rainy_psnr(rainy_scores(datasets)) if datasets else {}
    shown = gathered.outputs(page.shown, scores)
    kept, left_out = encoded(cards(pairs, rainy, shown, experiment.evaluation.previews))
    cost = Path("results/tables/cost.csv")
    checks = [pair for pair in zip(experiment.scored_datasets, plan.checks, strict=True) if _there([pair[1]])]
    origin = provenance(config, checks, plan.thetas, read_table(cost) if cost.is_file() else None)
    return Content(result, rounding, page.importances, kept, left_out, origin, missing(plan))


def missing(plan: Plan) -> list[str]:
    """A line for each dataset and stage that is not there, with the reason where one is known."""
    found = [
        f"dataset {name}: not packed and scored yet"
        for name in plan.experiment.scored_datasets
        if not _there(_of_dataset(name))
    ]
    for of in plan.stages:
        if reason := _reason(plan, of):
            way = f", {as_read(in_tables(of.datasets))}" if of.datasets else ""
            found.append(f"{of.method}{way} ({of.network}, seed {of.seed}): {reason}")
    more = len(found) - SHOWN
    return [*found[:SHOWN], f"and {more} more"] if more > 0 else found


def _reason(plan: Plan, of: Stage) -> str:
    """Why a stage is not on the page; empty where it is."""
    if _there([of.file("theta.safetensors")]):
        files = plan.of_stage(of, "scores/{part}.csv")
        return "" if _there(files) else _failure(of, "evaluate-*.log") or "not scored yet"
    if failure := _failure(of, "t*.log"):  # train.log, or theta.log of a given network
        return failure
    before = predecessor(of)
    if before and not _there([before.file("theta.safetensors")]):
        return "waits for the stage before it"
    return "not there yet" if of.method == GIVEN else "not trained yet"


def _failure(of: Stage, logs: str) -> str:
    """The error that a job of a stage ended with."""
    for log in Path(f"results/logs/stages/{of.path}").glob(logs):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        if errors:
            return f"failed ({errors[-1].removeprefix('error: ')})"
    return ""


def _there(files: Sequence[str]) -> bool:
    return all(Path(file).is_file() for file in files)


def _of_dataset(name: str) -> list[str]:
    return [*tables([name], "test"), *pixels([name], "test"), *rainy_scores([name])]


def _scored(plan: Plan, datasets: Sequence[str]) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Scores of all images, and "matrix", "continual" and "summary", of the stages that are scored on all datasets."""
    experiment = plan.experiment
    scored = {of: files for of in plan.stages if _there(files := plan.of_stage(of, "scores/{part}.csv"))}
    columns = [*PLACE, "dataset", "image", "rounding", *METRICS]
    scores = pd.DataFrame(columns=columns).astype({"datasets": str, "rounding": str})
    rainy = pd.DataFrame(columns=["dataset", "image", *METRICS])
    if scored and datasets:
        scores = gather(
            [file for files in scored.values() for file in files], [place(of) for of in scored for _ in scored[of]]
        )
        rainy = pd.concat([read_table(file) for file in rainy_scores(datasets)], ignore_index=True)
    made = tables_by_rounding(
        scores, rainy, experiment.evaluation.rounding, experiment.methods, experiment.orders, plan.memory_bytes
    )
    return scores, made


def _other_tables(page: PagePlan) -> dict[str, pd.DataFrame]:
    """The tables of single stages, of those that have them."""
    plan = page.plan
    found = {
        name: gather(files, [place(of) for of in stages])
        for name, stages, files in (
            ("training", *_finished(plan.trained, "training.csv")),
            ("strengths", *_finished(plan.searched, "strength.csv")),
            ("theory", *_finished(plan.diagnosed, "theory.csv")),
        )
        if stages
    }
    if "theory" in found:
        found["theory-correlations"] = theory_correlations(found["theory"])
    moves = list(_moves(page))
    if moves:
        found["moves"] = moves_table(moves)
    omegas = [pair for pair in zip(page.omega_places, page.omega_files, strict=True) if _there([pair[1]])]
    if omegas:
        found |= {f"omega-{name}": table for name, table in importance_tables(omegas).items()}
    return found


def _finished(stages: Sequence[Stage], file: str) -> tuple[list[Stage], list[str]]:
    kept = [of for of in stages if _there([of.file(file)])]
    return kept, [of.file(file) for of in kept]


def _moves(page: PagePlan) -> Iterator[tuple[dict[str, Any], str, str]]:
    for of, (before, after) in zip(page.plan.stages_with_past, page.moves, strict=True):
        if _there([before, after]):
            yield place(of), before, after
