"""What the jobs of a run are doing, read from the files that they leave: no job is asked.

So it can be told from any machine that sees the folder, while the run goes on and after it, and disturbs nothing.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

STATES = ("failed", "interrupted", "running", "waiting", "done")


@dataclass(frozen=True)
class Planned:
    """A job of the engine's plan. needed: whether it has to run, as planned; steps: of its training, if it makes a
    stage, 0 if without one; into: what the next jobs make of its outputs, where these are then deleted.
    """

    rule: str
    outputs: tuple[str, ...]
    log: str
    needed: bool
    steps: int | None = None
    into: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """How far a job is: one of STATES; for a training that has begun its latest logged step, and seconds so far."""

    state: str
    step: int = 0
    seconds: float = 0.0


class Watch:
    """The jobs of a plan, which were looked at when they were planned.

    under_way: which of some files belong to jobs that have begun and not ended, as the engine notes it; alive: whether
    a run is at work; logs: folder of the engine's own logs, a file a run, of which the latest tells what has failed.
    """

    def __init__(
        self,
        jobs: Sequence[Planned],
        under_way: Callable[[Iterable[str]], set[str]],
        alive: Callable[[], bool],
        logs: Path,
    ) -> None:
        self.jobs, self._under_way, self._alive, self._logs = jobs, under_way, alive, logs
        self._files = [file for job in jobs if job.needed for file in job.outputs]
        begun = under_way(self._files)
        # What a job that has begun makes is new; its old outputs were deleted.
        self._before = {
            file: None if file in begun else _time(file) for job in jobs for file in (*job.outputs, *job.into)
        }

    def look(self) -> list[tuple[Planned, Seen]]:
        """How far each job is now."""
        begun, failed = self._under_way(self._files), _failed(self._logs)
        running = "running" if self._alive() else "interrupted"
        return [(job, self._seen(job, begun, failed, running)) for job in self.jobs]

    def _seen(self, job: Planned, begun: set[str], failed: set[str], running: str) -> Seen:
        if not job.needed:
            state = "done"
        elif begun & {*job.outputs}:
            state = running
        elif self._made(job.outputs) or (job.into and self._made(job.into)):
            state = "done"
        else:
            state = "failed" if failed & {*job.outputs} else "waiting"
        reached = _reached(job.outputs) if job.steps and state in ("running", "done") else None
        return Seen(state, *reached) if reached else Seen(state)

    def _made(self, files: Iterable[str]) -> bool:
        """Whether all files have been written since they were planned."""
        return all(now is not None and now != self._before[file] for file, now in ((f, _time(f)) for f in files))


def told(seen: Sequence[tuple[Planned, Seen]], owner: str | None) -> list[str]:
    """Lines for a person: how much is done, then every training, and what else runs or has failed; worst first.

    owner: who runs, in words; None where nobody does.
    """
    count = Counter(found.state for _, found in seen)
    states = [f"{count[state]} {state}" for state in reversed(STATES) if count[state]]
    left = _left(seen)
    about = "" if left is None else f"; trainings: about {_clock(left)} left"
    at_work = f"at work: {owner}" if owner else "no run is at work here"
    head = [at_work, f"{len(seen)} jobs: {', '.join(states)}{about}", ""]
    lines = [
        (STATES.index(found.state), f"{found.state:<11}  {job.rule:<16}  {_place(job)}  {_detail(job, found)}".rstrip())
        for job, found in seen
        if job.steps is not None or found.state in ("failed", "interrupted", "running")
    ]
    return head + [line for _, line in sorted(lines, key=lambda line: line[0])]


def _detail(job: Planned, found: Seen) -> str:
    if found.state in ("failed", "interrupted"):
        return f"see {job.log}" if Path(job.log).exists() else ""
    if found.state != "running" or not job.steps:
        return ""
    if not found.step:
        return "has logged no step yet"
    return f"step {found.step} of {job.steps}, {_clock(_left_of(job, found))} left"


def _left_of(job: Planned, found: Seen) -> float:
    """Seconds, at the pace of the steps so far."""
    assert job.steps
    return found.seconds / found.step * (job.steps - found.step)


def _left(seen: Sequence[tuple[Planned, Seen]]) -> float | None:
    """Seconds that the trainings take which run or wait, as many at once as now, at the pace of those with a step: of
    the same rule, where there are some. None where nothing is left, or no pace is known.
    """
    paces: dict[str, list[float]] = {}
    for job, found in seen:
        if found.step:
            for rule in (job.rule, ""):
                paces.setdefault(rule, []).append(found.seconds / found.step)
    trainings = [(job, found) for job, found in seen if job.steps and found.state in ("running", "waiting")]
    if not trainings or not paces:
        return None
    left = 0.0
    for job, found in trainings:
        pace = paces.get(job.rule, paces[""])
        left += _left_of(job, found) if found.step else (job.steps or 0) * sum(pace) / len(pace)
    return left / max(1, sum(found.state == "running" for _, found in trainings))


def _place(job: Planned) -> str:
    """Where a training makes its stage, or another job its first output."""
    path = Path(job.outputs[0])
    return str((path.parent if job.steps is not None else path).relative_to("results"))


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _time(file: str) -> int | None:
    try:
        return Path(file).stat().st_mtime_ns
    except OSError:
        return None


def _reached(outputs: Iterable[str]) -> tuple[int, float] | None:
    """Last step in the table of a training, and the seconds behind it."""
    for file in outputs:
        if file.endswith("training.csv"):
            try:
                with Path(file).open(newline="", encoding="utf-8") as table:
                    *_, last = csv.DictReader(table)
                return int(last["step"]), float(last["seconds"])
            except (OSError, ValueError, TypeError, KeyError):  # none yet, or a row that is being written
                return None
    return None


def _failed(logs: Path) -> set[str]:
    """Outputs of the jobs that failed in the latest run; some of them may have been tried again since."""
    latest = max(logs.glob("*.log"), default=None)
    text = latest.read_text(encoding="utf-8", errors="replace") if latest else ""
    errors = re.findall(r"^Error in rule \S+:\n(?:    .*\n)*?    output: (.+)$", text, re.MULTILINE)
    return {file for line in errors for file in line.split(", ")}
