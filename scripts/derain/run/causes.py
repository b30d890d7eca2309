"""Explains why jobs run again, in terms of the config, the data and the library.

Snakemake records the values of a job's params without their names. A recipe (derain.plan) is one of these values, a
dict, so its recorded and its present value are compared key by key.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from derain.curriculum import Stage
from derain.engine.dag import Job, Reason
from derain.method.ingredients import STATES

NONE = "none"
CODE, IMPORTS = "code: ", "imports: "
SHORT = ("method", "datasets")  # fields of a stage that name it
MODULES_SHOWN, FILES_SHOWN = 5, 6
INHERITED = "their inputs are made again"
OF_OTHER_STAGES = "it is made from other stages"
# Params of tables, figures and page that follow from the stages, methods and orders of the experiment.
FOLLOWING = {
    *("shown", "importances", "titles", "learned", "started", "old_data", "at_once", "figures", "derived", "kept"),
    *("make", "digits", "drawn"),
}


def cause_lines(reasons: Sequence[tuple[Job, Reason]]) -> list[str]:
    """Return printable lines: the jobs that would run, by cause; jobs that only follow from other jobs come last."""
    by_cause: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for job, reason in reasons:
        cause = "; ".join(causes(job, reason)) or INHERITED
        by_cause[cause][job.rule].append(str(Path(job.outputs[0]).relative_to("results")))
    lines = []
    for cause, rules in sorted(by_cause.items(), key=lambda item: item[0] == INHERITED):
        lines.append(f"because {cause}:")
        for rule, files in rules.items():
            lines.append(f"    {rule} ({len(files)}): {first_of(files)}")
    return [
        *lines,
        f"{len(reasons)} jobs would run" if reasons else "nothing would run: every file is up to date",
    ]


def first_of(files: Sequence[str]) -> str:
    """The first files, and the number of the others."""
    more = f" and {len(files) - FILES_SHOWN} more" if len(files) > FILES_SHOWN else ""
    return ", ".join(files[:FILES_SHOWN]) + more


def causes(job: Job, reason: Reason) -> Iterator[str]:
    """Yield the job's own causes, without those that come from upstream jobs."""
    if reason.forced:
        yield "you ask for it (-f, -F, -R)"
    if reason.begun:
        yield "it was begun and not finished"
    elif len(reason.recorded) < len(job.outputs) or len(reason.missing) == len(job.outputs):
        yield "files are missing" if reason.recorded else "it was never made here"
        return
    elif reason.missing:
        yield "files are missing"
    if reason.old_params or reason.new_params:
        yield from param_changes(reason.old_params, reason.new_params, _config_keys(job))
    elif reason.inputs_changed:
        yield "it is made from other files"
    if reason.environment_changed:
        yield "another software environment"
    if reason.newer_inputs:
        yield f"newer input {', '.join(reason.newer_inputs)}"


def param_changes(old: Iterable[Any], new: Mapping[str, Any], config_keys: Mapping[str, str]) -> list[str]:
    """Return a phrase for each difference between recorded and present params.

    old: recorded values that are not among the present ones; new: present values, by name, that are not recorded;
    config_keys: config key of each recipe section ("penalty": "methods.nr.penalty").
    """
    recorded = list(old)
    phrases: dict[str, None] = {}
    for name, value in new.items():
        candidates = [before for before in recorded if _comparable(before, value)]
        if candidates:
            before = max(candidates, key=lambda candidate: _overlap(candidate, value))
            recorded.remove(before)
            is_recipe = isinstance(value, dict) and name not in ("code", "look", "datasets", *FOLLOWING)
            for path, was, became in _differences(before, value, () if is_recipe else (name,)):
                phrases[_phrase(path, was, became, config_keys)] = None
    return _modules_last(phrases)


def _config_keys(job: Job) -> dict[str, str]:
    """Return the config key of each section of a job's recipe."""
    wildcards = job.wildcards
    stage = Stage.of_path(wildcards["stage"]) if "stage" in wildcards else None
    network, method = (stage.network, stage.method) if stage else ("", "")
    return {
        "network": f"networks.{network}",
        "initial_weights": f"networks.{network}.initial_weights",
        "method": f"methods.{method}",
        "how": f"methods.{method}.penalty.accumulation",
        "alpha": "evaluation.chord" if job.rule.startswith("chord") else f"methods.{method}.penalty.alpha",
        "scales": f"methods.{method}.search.scales",
        "give_up": f"methods.{method}.{'blend' if job.rule == 'blend' else 'search'}.give_up",
        "alphas": f"methods.{method}.blend.alphas",
        "importance": f"importances.{wildcards.get('importance', '')}",
        "options": STATES[wildcards["state"]].kinds if "state" in wildcards else "",
        "threads": "training.threads",
        "pack": f"datasets.{wildcards.get('dataset', '')}.pack",
        "rounding": "evaluation.rounding",
        "ssim": "evaluation.ssim",
        "tile": "evaluation.tile",
        "previews": "evaluation.previews",
        "patches": "evaluation.theory_patches",
        "memory": "photographs.memory",
    }


def _comparable(old: Any, new: Any) -> bool:
    return type(old) is type(new) and (not isinstance(new, dict) or bool(old.keys() & new.keys()) or not (old and new))


def _overlap(old: Any, new: Any) -> int:
    """Return the number of elements that two collections share; used to find the old value of a param."""
    if isinstance(new, dict | list):
        return len({str(element) for element in old} & {str(element) for element in new})
    return 0


def _differences(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Yield (path, old value, new value) where two nested dicts differ; a missing key has the value None."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _differences(old.get(key), new.get(key), (*path, str(key)))
    elif old != new:
        yield path, old, new


def _phrase(path: tuple[str, ...], old: Any, new: Any, config_keys: Mapping[str, str]) -> str:
    section, *rest = path
    if section in ("code", "look"):
        return f"{CODE if old and new else IMPORTS}{rest[0]}"
    if section in FOLLOWING or _are_results(old, new):
        return OF_OTHER_STAGES
    if section == "datasets" and rest:
        return f"dataset {rest[0]} " + ("joined" if old is None else "left" if new is None else "has other pairs")
    if section == "photographs":
        return "other photographs"
    if section in ("pairs", "findings"):
        return "other files or pairs of the dataset"
    key = ".".join([config_keys.get(section, section), *rest])
    if section == "initial_weights":
        return f"{key}: other bytes"
    if isinstance(old, list) and isinstance(new, list):
        changes = _gone_and_new(old, new, _short)
        listed = ", ".join(changes) if len(changes) < 4 else f"{len(changes)} differ"
        fields = _fields_of_stages(old, new)
        return f"{key}: {listed or 'order'}" + (f" ({'; '.join(fields)})" if fields else "")
    return f"{key}: {_short(old)} → {_short(new)}"


def _gone_and_new(old: Sequence[Any], new: Sequence[Any], text: Callable[[Any], str] = str) -> list[str]:
    """The elements that only one of two lists has, with their sign."""
    return [f"{sign}{text(x)}" for sign, a, b in (("−", old, new), ("+", new, old)) for x in a if x not in b]


def _fields_of_stages(old: Sequence[Any], new: Sequence[Any]) -> list[str]:
    """The fields of stages that `_short` leaves out, with the values that only one of two lists of stages has."""
    before, now = ([each for each in some if _is_stage(each)] for some in (old, new))
    if not before or not now:
        return []
    found = []
    for name in dict.fromkeys(name for each in (*before, *now) for name in each if name not in SHORT):
        was, becomes = (list(dict.fromkeys(str(each[name]) for each in some if name in each)) for some in (before, now))
        if changes := _gone_and_new(was, becomes):
            found.append(f"{name}: {', '.join(changes)}")
    return found


def _are_results(*values: Any) -> bool:
    """Whether all values are lists of files of the results, or None, and not all None."""
    lists = [value for value in values if value is not None]
    files = [file for value in lists if isinstance(value, list) for file in value]
    return (
        all(isinstance(value, list) for value in lists)
        and bool(files)
        and all(str(file).startswith("results/") for file in files)
    )


def _is_stage(value: Any) -> bool:
    return isinstance(value, dict) and "datasets" in value


def _short(value: Any) -> str:
    if _is_stage(value):
        return "/".join([str(value.get("method", "")), *value["datasets"]])
    return NONE if value is None else str(value)


def _modules_last(phrases: Iterable[str]) -> list[str]:
    """Join changed library modules into one cause; list added or removed imports, and what follows from other stages,
    only if there is no other cause.
    """
    others = [phrase for phrase in phrases if not phrase.startswith((CODE, IMPORTS))]
    if len(others) > 1:
        others = [phrase for phrase in others if phrase != OF_OTHER_STAGES]
    modules = [phrase.removeprefix(CODE) for phrase in phrases if phrase.startswith(CODE)]
    if not modules and not others:
        modules = [phrase.removeprefix(IMPORTS) for phrase in phrases]
    more = f" and {len(modules) - MODULES_SHOWN} more" if len(modules) > MODULES_SHOWN else ""
    return others + ([f"code of {', '.join(modules[:MODULES_SHOWN])}{more}"] if modules else [])
