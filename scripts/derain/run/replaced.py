"""Notices about results of another experiment, or of an earlier config, that a run replaces or removes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from derain.curriculum import FIRST, JOINT, THETA, Stage, as_read, in_tables
from derain.engine.dag import Job, Reason
from derain.files.leftovers import LEFT
from derain.run.causes import causes, first_of


def another_experiment(
    reasons: Sequence[tuple[Job, Reason]], last: Mapping[str, Any] | None, now: Mapping[str, Any]
) -> str:
    """Return a line if the last run in the folder was of another experiment and that is why jobs would run again; else
    an empty text.

    last: config of the last run; now: the present one. They are of different experiments if they have no order of
    datasets with the same network in common. A job that was never made has other causes.
    """
    own = [reason for job, reason in reasons if [*causes(job, reason)]]
    sequences = [
        {(network, *order) for network in config.get("networks") or () for order in config.get("orders") or ()}
        for config in (last or {}, now)
    ]
    if not own or not all(sequences) or sequences[0] & sequences[1] or not all(reason.recorded for reason in own):
        return ""
    orders = ", ".join(dict.fromkeys(as_read(in_tables(order)) for _, *order in sorted(sequences[0])))
    names = {config.get("name") or "" for config in (last or {}, now)}
    apart = "A `name:` in each config keeps tables, figures and pages apart; networks, methods and datasets"
    if len(names) == 2 and "" not in names:
        apart = "Their tables, figures and pages are apart by their names, but networks, methods and datasets"
    return (
        f"another experiment was run in this folder (orders: {orders}); files of both have the same places. {apart} "
        "that differ need other names as well, or the experiment another folder"
    )


def replaced_networks(
    reasons: Callable[[], Sequence[tuple[Job, Reason]]], last: Mapping[str, Any] | None, now: Mapping[str, Any]
) -> str:
    """Return a line if networks of the last run, one of an experiment with another name, would be replaced; else an
    empty text. reasons: of the jobs that would run, called only if the names differ; last, now: as for
    `another_experiment`.
    """
    if last is None or (last.get("name") or "") == (now.get("name") or ""):
        return ""
    methods = {FIRST, JOINT, *(last.get("methods") or ())}
    replaced = []
    for job, reason in reasons():
        theta = Path(job.outputs[0])
        if theta.name != THETA or not reason.recorded or reason.missing or "stage" not in job.wildcards:
            continue
        of = Stage.of_path(job.wildcards["stage"])
        known = of.network in (last.get("networks") or ()) and set(of.datasets) <= set(last.get("datasets") or ())
        if known and of.method in methods:
            replaced.append(of.path)
    if not replaced:
        return ""
    of_last = f"the experiment {last['name']}" if last.get("name") else "the experiment without a name"
    return (
        f"the last run here was of {of_last}, and both experiments have networks in the same places, of which this one "
        f"replaces {len(replaced)} ({first_of(replaced)}); networks, methods and datasets that "
        "differ need other names"
    )


def replaced_page(jobs: Iterable[Job], page: str, files: str) -> str:
    """Return a line if the page will be made and removes files of an earlier config; else an empty text. files: their
    names (derain.files.leftovers).
    """
    if not files or not any(job.needed and page in job.outputs for job in jobs):
        return ""
    return f"{Path(page).parent}: this run removes {files}, {LEFT}"
