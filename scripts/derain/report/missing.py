"""Lists the results that are missing on a page, with the reason if it is known."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from derain.curriculum import in_tables
from derain.report.wording import learned

SHOWN = 60  # lines at most
# Logs of the jobs that make θ or choose it; others in their folder, such as theory.log, are of later jobs.
OF_THETA = tuple(f"{name}.log" for name in ("train", "take", "theta", "choose", "adopt", "blend"))
Current = Callable[[str], bool]  # whether a file is there and of the config of the page


def exists(file: str) -> bool:
    """Whether a file exists. After a finished run, every file that does is `Current`."""
    return Path(file).is_file()


def is_scored(dataset: Mapping[str, str], current: Current = exists) -> bool:
    """Whether a dataset is packed and its rainy inputs are scored. dataset: its files, from `PagePlan.content`."""
    return all(current(dataset[kind]) for kind in ("pairs", "pixels", "rainy"))


def missing(plan: Mapping[str, Any], current: Current = exists) -> list[str]:
    """Return a line for each missing dataset and stage. plan: `PagePlan.content`."""
    found = [
        f"dataset {name}: not packed and scored yet"
        for name, files in plan["datasets"].items()
        if not is_scored(files, current)
    ]
    for stage in plan["stages"]:
        if reason := _reason(stage, current):
            found.append(f"{name_of(stage)}: {reason}")
    more = len(found) - SHOWN
    return [*found[:SHOWN], f"and {more} more"] if more > 0 else found


def missing_photographs(plan: Mapping[str, Any], folder: Path, current: Current = exists) -> dict[str, str]:
    """Return a line for each missing page of `plan["photographs"]`, by the page. folder: of the page of the results."""
    return {
        stage["page"]: f"{name_of(stage)}: {_failure(stage, 'restore.log') or 'photographs not restored yet'}"
        for stage in plan["photographs"]
        if not current(str(folder / stage["page"]))
    }


def name_of(stage: Mapping[str, Any]) -> str:
    """Return a stage as a reader sees it. stage: as plain values."""
    order = f", {learned(stage['method'], in_tables(stage['datasets']))}" if stage["datasets"] else ""
    return f"{stage['method']}{order} ({stage['network']}, seed {stage['seed']})"


def _reason(stage: Mapping[str, Any], current: Current) -> str:
    """Return the reason why a stage is missing on the page; empty if it is not."""
    if current(stage["theta"]):
        if all(map(current, stage["scores"])):
            return ""
        again = (
            "scores of another θ or config, not scored again yet"
            if all(map(exists, stage["scores"]))
            else "not scored yet"
        )
        return _failure(stage, "evaluate-*.log") or again
    if exists(stage["theta"]):
        return "of another config, not made again yet"
    if failure := _failure(stage, *OF_THETA):
        return failure
    if stage["theta_before"] and not exists(stage["theta_before"]):
        return "waits for the stage before it"
    return "not there yet" if stage["given"] else "not trained yet"


def _failure(stage: Mapping[str, Any], *logs: str) -> str:
    """Return the error that ended a job of a stage, from its logs, the newest first; empty if there is none. logs: glob
    patterns.
    """
    found = [log for pattern in logs for log in Path(stage["logs"]).glob(pattern)]
    for log in sorted(found, key=lambda log: log.stat().st_mtime, reverse=True):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        if errors:
            return f"failed ({errors[-1].removeprefix('error: ')})"
    return ""
