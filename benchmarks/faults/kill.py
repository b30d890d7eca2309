"""Kill a run again and again, go on each time, and hold the results against those of a run that nobody disturbed.

    python benchmarks/faults/kill.py                                   # 32 kills of small.yaml
    python benchmarks/faults/kill.py --experiment default --kills 3 --kinds none    # of config.yaml
    python benchmarks/faults/kill.py --kills 2 --kinds checkpoint,first --target results/.../theta.safetensors
    python benchmarks/faults/kill.py --kills 0 --stops 3 --stop-seconds 60     # stopped for a minute, and continued
    python benchmarks/faults/kill.py --kills 0 --clock          # the clock jumps back a day, and a day ahead of that

Every kill is a SIGKILL to the engine's whole process group. As long as there are kinds of job that no kill has hit, a
run is killed at a random moment of the next such job; `checkpoint`, `weights`, `packing`, `page` and `put` stand for
the writing of a checkpoint, of the final weights, of the pixels of a dataset, of the page and into the stage store.
After that, and with `--kinds none`, the moments are random in the whole run. A kind that --kills kills did not hit has
further ones, up to four times as many in all.
What a kill has hit is read from what it left: the engine's marks of unfinished jobs, and files half written.

--stops: SIGSTOP to the whole process group at random moments, SIGCONT after a while. --clock: the clock of all
processes jumps in the middle of a run, which needs libfaketime (Debian: libfaketime; or FAKETIME_LIBRARY names it). The
run then ends by itself, or the same command goes on.

Prints a row a kill, with the seconds of each training under way that it lost. Ends with status 1 where a run does not
end by itself, a result differs by a byte (θ, Ω, memory, scores and tables; training.csv in all but its seconds),
anything is left over, or a kind of job was not hit.
"""

import argparse
import base64
import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import REPOSITORY, print_in_any_locale

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"),
             "--workflow-profile", str(REPOSITORY / "profiles/default")]  # fmt: skip
EXPERIMENTS = {
    "small": Path(__file__).with_name("small.yaml"),
    "default": REPOSITORY / "config.yaml",
}
THETA, TABLE = "theta.safetensors", "training.csv"  # of a training
WITH_TIMES = ("origin.json", "cost.csv")  # as pages, which are made of the others, they hold times
# What a kill may catch half written: of which output, under which name behind that of the output.
WRITES = {
    "checkpoint": (".safetensors", ".checkpoint.partial"),
    "weights": (THETA, ".partial"),
    "packing": ("pixels.bin", ".partial"),
    "page": ("report.html", ".partial"),
}
PUT = "put"  # into the stage store: a folder of another name, which the finished entry gets
FAKETIME = "usr/lib/*/faketime/libfaketime.so.1"
DAY = 24 * 3600
MORE = 4  # times --kills: the most, where kinds of job were not hit
SECONDS = ("images_per_second", "seconds")  # columns of training.csv that time decides


@dataclass
class Run:
    """The experiment in a folder of its own."""

    folder: Path
    experiment: Path
    cores: int
    target: str
    began: float = 0.0  # its latest attempt
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> "subprocess.Popen[bytes]":
        """The engine in a process group of its own: the same command after a kill as before it."""
        self.folder.mkdir(exist_ok=True)
        self.began = time.time()
        with (self.folder / "output.txt").open("ab") as output:
            return subprocess.Popen(
                self._command(), stdout=output, stderr=output, start_new_session=True, env=self._environment()
            )

    def _command(self) -> list[str]:
        where = ["--directory", str(self.folder), "--configfile", str(self.experiment), "--cores", str(self.cores)]
        return [*SNAKEMAKE, *where, "--", self.target]

    def _environment(self) -> dict[str, str]:
        return os.environ | {"XDG_CACHE_HOME": str(self.folder / "cache")} | self.environment

    def under_way(self) -> set[str]:
        """Outputs of jobs that the latest attempt has begun and not finished, by the marks of the engine."""
        marks = self.folder / ".snakemake/incomplete"
        return {_output(name) for name in _files(marks) if _time(marks / name) >= self.began}

    def half_written(self, outputs: Iterable[str]) -> set[str]:
        """Kinds of writes that an output of these is in the middle of, in the latest attempt."""
        found = {
            write
            for write, (output, partial) in WRITES.items()
            for path in outputs
            if path.endswith(output) and _time(self.folder / f"{path}{partial}") >= self.began
        }
        if any(_time(entry) >= self.began for entry in self.folder.glob("store/*/.*")):
            found.add(PUT)
        return found

    def records(self) -> Iterator[tuple[str, str, float]]:
        """(output, rule, seconds of its job) of everything that is finished."""
        for name in _files(self.folder / ".snakemake/metadata"):
            record = json.loads((self.folder / ".snakemake/metadata" / name).read_text(encoding="utf-8"))
            yield _output(name), record["rule"], record["endtime"] - record["starttime"]

    def results(self) -> dict[str, bytes]:
        """What must be equal, by file; and what must not be left over is there by its name."""
        found = {}
        for path in sorted((self.folder / "results").rglob("*")):
            name = str(path.relative_to(self.folder))
            if not path.is_file() or name.startswith(("results/logs/", "results/benchmarks/")):
                continue
            if path.name == TABLE:
                found[name] = _without_seconds(path)
            elif path.suffix in (".html", ".pdf", ".checkpoint") or path.name in WITH_TIMES:
                found[name] = b""
            else:
                found[name] = path.read_bytes()
        return found


def _files(folder: Path) -> list[str]:
    """Files below a folder, which jobs meanwhile remove."""
    return [os.path.relpath(f"{at}/{name}", folder) for at, _, names in os.walk(folder) for name in names]


def _time(path: Path) -> float:
    """When a file was written; 0 where there is none."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _output(name: str) -> str:
    """The output that the engine keeps a mark or a record of under this name: base64 in pieces."""
    return base64.urlsafe_b64decode(name.replace("/", "").replace("@", "")).decode()


def _without_seconds(table: Path) -> bytes:
    with table.open(newline="", encoding="utf-8") as file:
        rows = [{key: value for key, value in row.items() if key not in SECONDS} for row in csv.DictReader(file)]
    return json.dumps(rows).encode()


@dataclass
class Undisturbed:
    """What a run is when nothing happens to it."""

    rules: dict[str, str]  # by output
    seconds: dict[str, float]  # of a job, by rule
    whole: float
    results: dict[str, bytes]

    @classmethod
    def of(cls, run: Run) -> "Undisturbed":
        """Let a run come to its end."""
        began = time.monotonic()
        if run.start().wait() != 0:
            sys.exit(f"the undisturbed run failed: see {run.folder}/output.txt")
        whole = time.monotonic() - began
        seconds = defaultdict(list)
        rules = {}
        for output, rule, took in run.records():
            rules[output] = rule
            seconds[rule].append(took)
        return cls(rules, {rule: sum(all_) / len(all_) for rule, all_ in seconds.items()}, whole, run.results())


@dataclass
class Faults:
    """The kills, and what they have hit."""

    undisturbed: Undisturbed
    wanted: set[str]
    asked: int
    dice: random.Random
    kills: int = 0
    lost: list[float] = field(default_factory=list)  # seconds of training

    @property
    def left(self) -> bool:
        """Whether to kill once more. A job may end before its kill, so kinds that were not hit have further kills."""
        return self.kills < (MORE * self.asked if self.wanted else self.asked)

    def disturb(self, run: Run) -> None:
        """Kill a run, and go on, until it comes to its end or no kills are left."""
        while True:
            process = run.start()
            if not (self.left and self._kill(run, process)):
                break
        if process.wait() != 0:
            sys.exit(f"a run that went on after a kill failed: see {run.folder}/output.txt")

    def _kill(self, run: Run, process: "subprocess.Popen[bytes]") -> bool:
        """Kill at a moment that is worth it; False where the run came to its end before."""
        began = time.monotonic()
        rule, moment = "", None if self.wanted else began + self.dice.random() * self.undisturbed.whole
        while process.poll() is None:
            under_way = run.under_way()
            if rule and rule not in self._rules(under_way):  # its job has ended sooner than in the undisturbed run
                moment = None
            if moment is None:
                rule, moment = self._moment(under_way)
            for _ in range(20):  # a write takes milliseconds, what comes before it seconds
                if (moment is not None and time.monotonic() >= moment) or run.half_written(under_way) & self.wanted:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    self._note(run, time.monotonic() - began)
                    return True
                time.sleep(0.001)
        return False

    def _rules(self, outputs: Iterable[str]) -> set[str]:
        return {self.undisturbed.rules.get(output, "") for output in outputs}

    def _moment(self, under_way: set[str]) -> tuple[str, float | None]:
        """For which rule that is still wanted and now under way to kill, and when; None: not yet."""
        rules = sorted(self._rules(under_way) & self.wanted)
        if not rules:
            return "", None
        rule = self.dice.choice(rules)
        return rule, time.monotonic() + self.dice.random() * self.undisturbed.seconds[rule]

    def _note(self, run: Run, seconds: float) -> None:
        outputs = run.under_way()
        hit = {self.undisturbed.rules[output] for output in outputs if output in self.undisturbed.rules}
        hit |= run.half_written(outputs)
        lost = [_lost(run.folder / output) for output in outputs if output.endswith(THETA)]
        self.wanted -= hit
        self.lost += lost
        told = " ".join(f"{each:.2f}" for each in lost)
        self.kills += 1
        print(f"{self.kills:>4}  {seconds:>9.1f}  {told:<9}  {', '.join(sorted(hit)) or '(no job)'}", flush=True)


def stopped(run: Run, undisturbed: Undisturbed, times: int, seconds: float, dice: random.Random) -> list[str]:
    """Stop a run that often, each time for so long; what is wrong afterwards."""
    moments = sorted(dice.random() * undisturbed.whole for _ in range(times))
    process, worked = run.start(), 0.0
    for moment in moments:
        with suppress(subprocess.TimeoutExpired):
            process.wait(moment - worked)
        if process.poll() is not None:
            break
        worked = moment
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGCONT)
        print(f"stopped for {seconds:g} s after {moment:.1f} s", flush=True)
    return _ended(run, process.wait(), undisturbed)


def clock_jumps(run: Run, undisturbed: Undisturbed, library: str, seconds: int) -> list[str]:
    """Let the clock of a run jump in its middle; what is wrong after it, or after the same command without a jump."""
    clock = run.folder.with_suffix(".clock")
    clock.write_text("+0", encoding="utf-8")
    run.environment = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    process = run.start()
    with suppress(subprocess.TimeoutExpired):
        process.wait(undisturbed.whole / 2)
    clock.write_text(f"{seconds:+d}", encoding="utf-8")
    status = process.wait()
    print(f"the clock jumps by {seconds / DAY:+g} days at {undisturbed.whole / 2:.0f} s: status {status}", flush=True)
    run.environment = {}
    if status != 0:
        status = run.start().wait()
        print(f"the same command, at the right time: status {status}", flush=True)
    return _ended(run, status, undisturbed)


def _ended(run: Run, status: int, undisturbed: Undisturbed) -> list[str]:
    if status != 0:
        return [f"{run.folder.name}: ended with status {status}, see output.txt"]
    return [f"{run.folder.name}: {line}" for line in differences(undisturbed.results, run.results())]


def _lost(theta: Path) -> float:
    """Seconds of a training under way that its checkpoint does not have, by the table that it flushes."""
    table, checkpoint = theta.with_name(TABLE), Path(f"{theta}.checkpoint")
    rows = []
    if table.exists():
        with table.open(newline="", encoding="utf-8") as file:
            rows = [float(row["seconds"]) for row in csv.DictReader(file) if row["seconds"]]
    kept = 0.0
    if checkpoint.exists():
        content = io.BytesIO(checkpoint.read_bytes().partition(b"\n")[2])
        kept = torch.load(content, weights_only=True)["state"]["seconds"]
    return max(0.0, max(rows, default=0.0) - kept)


def differences(expected: dict[str, bytes], found: dict[str, bytes]) -> list[str]:
    """One line for each file that is not as it should be."""
    lines = [f"{name}: is missing" for name in expected.keys() - found.keys()]
    lines += [f"{name}: is left over" for name in found.keys() - expected.keys()]
    lines += [f"{name}: differs" for name in expected.keys() & found.keys() if expected[name] != found[name]]
    return sorted(lines)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", choices=EXPERIMENTS, default="small")
    parser.add_argument("--kills", type=int, default=32)
    parser.add_argument("--kinds", help="of job, with commas, or none; all where not given")
    parser.add_argument("--target", default="all", help="what to make (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: %(default)s)")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--stops", type=int, default=0, help="of one more run (default: %(default)s)")
    parser.add_argument("--stop-seconds", type=float, default=60, help="that each takes (default: %(default)s)")
    parser.add_argument("--clock", action="store_true", help="two more runs, in which the clock jumps")
    parser.add_argument("--folder", type=Path, help="keep the runs here; it must not exist")
    return parser.parse_args()


def main() -> None:
    """Run, kill, compare, report."""
    print_in_any_locale()
    asked = arguments()
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="faults-"))
    folder.mkdir(parents=True, exist_ok=asked.folder is None)
    experiment = EXPERIMENTS[asked.experiment]
    library = os.environ.get("FAKETIME_LIBRARY") or next(map(str, Path("/").glob(FAKETIME)), "")
    if asked.clock and not Path(library).is_file():
        print("the clock stays as it is: there is no libfaketime here (Debian: libfaketime), nor in FAKETIME_LIBRARY")
    undisturbed = Undisturbed.of(Run(folder / "undisturbed", experiment, asked.cores, asked.target))
    every = {*undisturbed.rules.values(), *WRITES, *([PUT] if (folder / "undisturbed/store").is_dir() else [])}
    wanted = set() if asked.kinds == "none" or not asked.kills else every
    if asked.kinds not in (None, "none"):
        wanted = set(asked.kinds.split(","))
    if unknown := wanted - every:
        sys.exit(f"no such kind of job: {', '.join(sorted(unknown))}; there are {', '.join(sorted(every))}")
    print(f"undisturbed: {undisturbed.whole:.0f} s, {len(undisturbed.results)} files, {len(every)} kinds\n")
    print("kill  at second  lost, s    under way")
    faults = Faults(undisturbed, set(wanted), asked.kills, random.Random(asked.seed))
    faulty, lives = [], 0
    while faults.left:
        lives += 1
        run = Run(folder / f"disturbed{lives}", experiment, asked.cores, asked.target)
        faults.disturb(run)
        faulty += [f"run {lives}: {line}" for line in differences(undisturbed.results, run.results())]
    faulty += [f"no kill hit {kind}" for kind in sorted(faults.wanted)]
    if asked.stops:
        run = Run(folder / "stopped", experiment, asked.cores, asked.target)
        faulty += stopped(run, undisturbed, asked.stops, asked.stop_seconds, faults.dice)
    for name, jump in (("back", -DAY), ("ahead", DAY)) if asked.clock and Path(library).is_file() else ():
        run = Run(folder / name, experiment, asked.cores, asked.target)
        faulty += clock_jumps(run, undisturbed, library, jump)
    print("\n".join(["", *faulty]))
    print(f"{faults.kills} kills in {lives} runs; hit: {len(wanted - faults.wanted)} of {len(wanted)} wanted kinds")
    print(f"{len(undisturbed.results)} files of every run: {'as undisturbed' if not faulty else 'SEE ABOVE'}")
    if faults.lost:
        print(f"training lost by a kill: {max(faults.lost):.2f} s at most")
    if asked.folder is None:
        shutil.rmtree(folder)
    sys.exit(1 if faulty else 0)


if __name__ == "__main__":
    main()
