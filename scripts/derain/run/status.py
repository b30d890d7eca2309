"""Status of the jobs of a run, read from the files that they write.

A logger plugin of Snakemake would not do: it sees only the run that loads it, from its start on. Files can be read from
any machine, also after a kill.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from io import TextIOWrapper
from pathlib import Path

from derain.curriculum import THETA
from derain.engine.dag import Job
from derain.engine.logs import failed_outputs
from derain.files.regular import open_regular

STATES = ("failed", "interrupted", "running", "waiting", "done")
TRAINING_LOG = "training.csv"


@dataclass(frozen=True)
class State:
    """State of a job. name: one of STATES; step, seconds: latest logged step and time of a training, or 0."""

    name: str
    step: int = 0
    seconds: float = 0.0


class Watch:
    """Watches the jobs of a plan, from the moment of planning on.

    begun: returns those of the given files whose jobs have begun and not ended; alive: returns whether a run is active;
    logs: folder of Snakemake's own logs, one file per run.
    """

    def __init__(
        self, jobs: Sequence[Job], begun: Callable[[Iterable[str]], set[str]], alive: Callable[[], bool], logs: Path
    ) -> None:
        self.jobs, self._begun, self._alive, self._logs = jobs, begun, alive, logs
        self._files = [file for job in jobs if job.needed for file in job.outputs]
        already = begun(self._files)
        # None for a job that has begun: Snakemake has deleted its old outputs, so any that appear are new.
        self._planned_mtimes = {
            file: None if file in already else _mtime(file)
            for job in jobs
            for file in (*job.outputs, *job.consumed_into)
        }

    def states(self) -> list[tuple[Job, State]]:
        """Return each job with its present state."""
        begun, failed = self._begun(self._files), failed_outputs(self._logs)
        if_begun = "running" if self._alive() else "interrupted"
        return [(job, self._state(job, begun, failed, if_begun)) for job in self.jobs]

    def _state(self, job: Job, begun: set[str], failed: set[str], if_begun: str) -> State:
        if not job.needed:
            name = "done"
        elif begun & {*job.outputs}:
            name = if_begun
        elif self._written(job.outputs) or (job.consumed_into and self._written(job.consumed_into)):
            name = "done"
        else:
            name = "failed" if failed & {*job.outputs} else "waiting"
        logged = _last_step(job.outputs) if _steps(job) and name in ("running", "done") else None
        return State(name, *logged) if logged else State(name)

    def _written(self, files: Iterable[str]) -> bool:
        """Whether all files have been written since the plan was made."""
        mtimes = ((file, _mtime(file)) for file in files)
        return all(mtime is not None and mtime != self._planned_mtimes[file] for file, mtime in mtimes)


def status_lines(states: Sequence[tuple[Job, State]], owner: str | None) -> list[str]:
    """Return printable lines: totals, then all trainings and all other running or failed jobs, failed ones first.

    owner: description of the active process, or None.
    """
    count = Counter(state.name for _, state in states)
    counts = [f"{count[name]} {name}" for name in reversed(STATES) if count[name]]
    seconds = _seconds_left(states)
    left = "" if seconds is None else f"; trainings: about {_duration(seconds)} left"
    header = [
        f"at work: {owner}" if owner else "no run is at work here",
        f"{len(states)} jobs: {', '.join(counts)}{left}",
        "",
    ]
    lines = [
        (STATES.index(state.name), f"{state.name:<11}  {job.rule:<16}  {_label(job)}  {_detail(job, state)}".rstrip())
        for job, state in states
        if _steps(job) is not None or state.name in ("failed", "interrupted", "running")
    ]
    return header + [line for _, line in sorted(lines, key=lambda line: line[0])]


def _steps(job: Job) -> int | None:
    """Return the training steps of a job that makes θ, 0 if it does not train; None for any other job."""
    if Path(job.outputs[0]).name != THETA:
        return None
    recipe = {} if job.rule == "take" else job.params.get("recipe", {})
    return int(recipe.get("training", {}).get("steps", 0))


def _label(job: Job) -> str:
    """Return the folder of a stage, or the first output of any other job, below results/."""
    path = Path(job.outputs[0])
    return str((path if _steps(job) is None else path.parent).relative_to("results"))


def _detail(job: Job, state: State) -> str:
    if state.name in ("failed", "interrupted"):
        return f"see {job.log}" if Path(job.log).is_file() else ""
    if state.name != "running" or not (steps := _steps(job)):
        return ""
    if not state.step:
        return "has logged no step yet"
    return f"step {state.step} of {steps}, {_duration(_remaining(steps, state))} left"


def _remaining(steps: int, state: State) -> float:
    """Return the seconds that a training still needs at its average pace so far."""
    return state.seconds / state.step * (steps - state.step)


def _seconds_left(states: Sequence[tuple[Job, State]]) -> float | None:
    """Return the seconds until all running and waiting trainings are done, if as many run at once as now.

    A training without a logged step gets the mean pace of its rule, or else of all rules. None if no training is left
    or no pace is known.
    """
    paces: dict[str, list[float]] = {}
    for job, state in states:
        if state.step:
            for rule in (job.rule, ""):
                paces.setdefault(rule, []).append(state.seconds / state.step)
    trainings = [
        (job.rule, steps, state)
        for job, state in states
        if state.name in ("running", "waiting") and (steps := _steps(job))
    ]
    if not trainings or not paces:
        return None
    seconds = 0.0
    for rule, steps, state in trainings:
        pace = paces.get(rule, paces[""])
        seconds += _remaining(steps, state) if state.step else steps * sum(pace) / len(pace)
    return seconds / max(1, sum(state.name == "running" for *_, state in trainings))


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _mtime(file: str) -> int | None:
    try:
        return Path(file).stat().st_mtime_ns
    except OSError:
        return None


def _last_step(outputs: Iterable[str]) -> tuple[int, float] | None:
    """Return the last step in the training table among `outputs`, and its seconds; None without one."""
    for file in outputs:
        if file.endswith(TRAINING_LOG):
            try:
                with TextIOWrapper(open_regular(file), encoding="utf-8", newline="") as table:
                    *_, last = csv.DictReader(table)
                return int(last["step"]), float(last["seconds"])
            except (OSError, ValueError, TypeError, KeyError, csv.Error):  # no row yet, or a row is being written
                return None
    return None
