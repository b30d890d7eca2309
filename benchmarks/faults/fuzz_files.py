"""Damage every kind of file that a finished experiment has left, and run the same command again.

    python benchmarks/faults/fuzz_files.py                         # every kind of file, every kind of damage
    python benchmarks/faults/fuzz_files.py --sample 30 --seed 1    # some of them
    python benchmarks/faults/fuzz_files.py --files theta,leaks.json --damages fifo,cut
    python benchmarks/faults/fuzz_files.py --together 8            # files of eight kinds at once

The experiment is small.yaml, cut down, with a stage store. Of each kind of file one is damaged in a copy of the folder.
Then the command has to bring back the bytes of the undisturbed run, at once or after one line (`error: …`) and the act
that it names: to delete a file, or to run again. Files of the store are damaged where the results have lost their
stages, checkpoints where their θ is missing, parts of scores where the scores are, and pixels where they are read anew,
without stages and store. By default a damaged file keeps its time, as on a failing disk. --together: damage several
kinds in one copy, which takes less time; where the outcome is wrong, each of them alone. What a line names counts as
after one line, the rest as same bytes.

Prints a row for each kind of file, and what went wrong: a traceback, a hang, a line that names no act, other bytes.
Ends with status 1 where anything did.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml
from kill import EXPERIMENTS, THETA, Run, differences

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import print_in_any_locale

FIRST = f"results/stages/net/seed0/first/mild/{THETA}"
CHECKPOINT = f"{FIRST}.checkpoint"
TIMEOUT = 600  # seconds of a run
ACTS = 3  # that one damage may ask for
TRACEBACK = re.compile(r"^Traceback|^(?!CalledProcess)\w+(Error|Exception) in file ", re.MULTILINE)
SAME, AFTER = "same bytes", "after one line"

# Kinds of files by what their paths match, the first one counts; what is told of a job is neither compared nor read.
KINDS = {
    "store: contents.json": r"store/.+/contents\.json",
    "store: theta": r"store/.+/theta\.safetensors",
    "store: training.csv": r"store/.+/training\.csv",
    "store: shard of Ω": r"store/.+\.safetensors",
    "checkpoint": r".+\.checkpoint",
    "theta": r"results/stages/.+/theta\.safetensors",
    "training.csv": r"results/stages/.+/training\.csv",
    "origin.json": r".+/origin\.json",
    "omega": r"results/stages/.+/omega.*\.safetensors",
    "memory": r"results/stages/.+/memory.*\.safetensors",
    "parts": r"results/stages/.+/parts/.+\.safetensors",
    "scores": r"results/stages/.+/scores/.+\.csv",
    "previews": r"results/stages/.+/previews/.+\.npz",
    "theory.csv": r"results/stages/.+/theory\.csv",
    "strength.csv": r"results/stages/.+/strength\.csv",
    "candidate": r"results/search/.+\.safetensors",
    "files.json": r"results/datasets/.+/files\.json",
    "leaks.json": r"results/datasets/leaks\.json",
    "manifest.csv": r"results/datasets/.+/manifest\.csv",
    "findings.csv": r"results/datasets/.+/findings\.csv",
    "pairs.csv": r"results/datasets/.+/pairs\.csv",
    "pixels.bin": r"results/datasets/.+/pixels\.bin",
    "check.csv": r"results/datasets/.+/check\.csv",
    "contact.jpg": r"results/datasets/.+/contact\.jpg",
    "rainy.csv": r"results/datasets/.+/rainy\.csv",
    "table": r"results/tables/.+\.csv",
    "LaTeX": r"results/tables/.+\.tex",
    "figure": r"results/figures/.+",
    "page": r"results/report\.html",
    "benchmark": r"results/benchmarks/.+",
    "log": r"results/logs/.+",
    "lock": r"\.snakemake/run",
    "record of a job": r"\.snakemake/metadata/.+",
}
CACHES = {"files.json", "leaks.json"}
SPARED = {
    *("pairs.csv", "pixels.bin", "rainy.csv", "previews"),
    *("memory", "omega", "strength.csv", "candidate", "origin.json"),
}


def cut(file: Path, other: Path) -> None:
    """Half of it is gone."""
    del other
    os.truncate(file, file.stat().st_size // 2)


def zero(file: Path, other: Path) -> None:
    """A block in its middle is zero."""
    del other
    content = bytearray(file.read_bytes())
    at = len(content) // 2
    content[at : at + 4096] = bytes(len(content[at : at + 4096]))
    file.write_bytes(content)


def flip(file: Path, other: Path) -> None:
    """A bit in its middle is another one."""
    del other
    content = bytearray(file.read_bytes())
    if content:
        content[len(content) // 2] ^= 1
    file.write_bytes(content)


def swap(file: Path, other: Path) -> None:
    """It is another file, of its kind if there are two."""
    shutil.copyfile(other, file)


def _replaced(by: Callable[[Path, Path], object]) -> Callable[[Path, Path], None]:
    def damage(file: Path, other: Path) -> None:
        file.unlink()
        by(file, other)

    return damage


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "empty": lambda file, _: os.truncate(file, 0),
    "cut": cut,
    "zero": zero,
    "flip": flip,
    "noise": lambda file, _: file.write_bytes(random.Random(0).randbytes(300)),
    "list": lambda file, _: file.write_text("[]\n", encoding="utf-8"),
    "swap": swap,
    "gone": _replaced(lambda *_: None),
    "folder": _replaced(lambda file, _: file.mkdir()),
    "fifo": _replaced(lambda file, _: os.mkfifo(file)),
    "nowhere": _replaced(lambda file, _: file.symlink_to("nowhere")),
    "link": _replaced(lambda file, other: file.symlink_to(other)),
    "endless": _replaced(lambda file, _: file.symlink_to("/dev/zero")),
}


def experiment(folder: Path) -> Path:
    """small.yaml with one order of two datasets, two methods and a few steps."""
    config = yaml.safe_load(EXPERIMENTS["small"].read_text(encoding="utf-8"))
    del config["datasets"]["late"], config["joint"]
    config |= {"orders": [["mild", "heavy"]], "stage_store": "store"}
    config["training"] |= {"steps": 6, "validate_every": 6, "checkpoint_every": 0}
    config["importances"]["gradient"]["patches"] = 4
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    return file


def kind_of(path: str) -> str | None:
    """The kind of a file, by its path from the folder of the run."""
    return next((kind for kind, pattern in KINDS.items() if re.fullmatch(pattern, path)), None)


def run(at: Run) -> tuple[int | None, str]:
    """The status of the command, None where it does not end, and what it said."""
    output = at.folder / "output.txt"
    output.unlink(missing_ok=True)
    process = at.start()
    try:
        status: int | None = process.wait(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        status = None
    return status, output.read_text(encoding="utf-8", errors="replace")


def act(folder: Path, line: str) -> bool:
    """Do what an error line asks for; False where it asks for nothing."""
    of, _, rest = line.removeprefix("error: ").partition(": ")
    asked = re.search(r"delete (?!it\b)(\S+)", rest)
    path = folder / (asked[1] if asked else of)
    if (asked or re.search(r"delete it|move it away", rest)) and os.path.lexists(path):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return True
    return "run again" in line


def judged(at: Run, expected: dict[str, bytes], damages: int) -> tuple[str, list[str]]:
    """What becomes of a folder with so many damages: SAME, AFTER, or what is wrong; and the lines that asked for
    something.
    """
    asked: list[str] = []
    for _ in range(ACTS * damages + 1):
        status, said = run(at)
        if status is None:
            return "hangs", asked
        if found := TRACEBACK.search(said):
            last = re.findall(r"^\w*(?:Error|Exception)\b.*", said[found.start() :], re.MULTILINE)
            return f"traceback: {(last or [found[0]])[0]}", asked
        if status == 0:
            wrong = [line for line in differences(expected, at.results()) if not _is_spared(line)]
            return f"trusted: {wrong[0]} ({len(wrong)} in all)" if wrong else AFTER if asked else SAME, asked
        lines = list(dict.fromkeys(re.findall(r"^error: .*", said, re.MULTILINE)))
        if not lines:
            return f"no line: {said.splitlines()[-1] if said else ''}", asked
        asked += lines
        done = [act(at.folder, line) for line in lines]  # all of them
        if not any(done):
            return f"no act: {lines[0]}", asked
    return f"does not end: {lines[0]}", asked


def _is_spared(line: str) -> bool:
    """Whether a difference is none to the experiment: a cache, or a file that only unfinished stages or a page need."""
    path, _, how = line.partition(": ")
    return kind_of(path) in CACHES or (how == "is missing" and kind_of(path) in SPARED)


class Damage(NamedTuple):
    """of: a kind of file; file: which is damaged; other: one that it may become; paths from the folder of the run."""

    of: str
    file: str
    other: str
    how: str

    @property
    def goes(self) -> str:
        """The kind of files that have to go so that the command reads this one (see `damage`); empty for none."""
        kinds = ("store", "checkpoint", "parts", "pixels.bin")
        return next((kind for kind in kinds if self.of.startswith(kind)), "")


def damage(folder: Path, what: Damage, asked: argparse.Namespace) -> None:
    """Damage a file of a finished folder, and remove what keeps the command from reading it."""
    path = folder / what.file
    if what.goes in ("store", "pixels.bin"):
        for name in ("results/stages", "results/search", *(["store"] if what.of == "pixels.bin" else [])):
            shutil.rmtree(folder / name, ignore_errors=True)
    if what.of == "checkpoint":
        path.with_suffix("").unlink()
        shutil.rmtree(folder / "store")
    else:
        (folder / CHECKPOINT).unlink(missing_ok=True)
    if asked.read or what.of == "parts":
        for pattern in ("results/tables", "results/stages/**/scores/*.csv"):
            for found in sorted(folder.glob(pattern)):
                shutil.rmtree(found) if found.is_dir() else found.unlink()
    if not os.path.lexists(path):
        return
    before = path.stat()
    DAMAGES[what.how](path, (folder / what.other).absolute())
    if not asked.new_time and os.path.lexists(path):
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns), follow_symlinks=False)


def groups(damages: Sequence[Damage], size: int) -> list[list[Damage]]:
    """The damages in groups of up to so many kinds of file."""
    found: list[list[Damage]] = []
    for what in damages:
        fitting = (
            group
            for group in found
            if len(group) < size and group[0].goes == what.goes and what.of not in {each.of for each in group}
        )
        group = next(fitting, None)
        if group is None:
            found.append(group := [])
        group.append(what)
    return found


def _named(what: Damage, lines: Sequence[str], of_group: int) -> bool:
    """Whether one of the lines is about this damage."""
    return of_group == 1 or any(what.file in line for line in lines)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", help=f"kinds, with commas: {', '.join(KINDS)}; all where not given")
    parser.add_argument("--damages", help=f"kinds, with commas: {', '.join(DAMAGES)}; all where not given")
    parser.add_argument("--target", default="all", help="what the command makes (default: %(default)s)")
    parser.add_argument("--sample", type=int, help="how many of all pairs of them, drawn by chance")
    parser.add_argument("--seed", type=int, default=0, help="of the sample, and of the files")
    parser.add_argument("--together", type=int, default=1, metavar="KINDS", help="damaged in one copy")
    parser.add_argument("--new-time", action="store_true", help="a damaged file is as new as its damage")
    parser.add_argument("--read", action="store_true", help="scores and tables are gone, too, so that more is read")
    parser.add_argument("--cores", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    """Run, damage, run again, compare, report."""
    print_in_any_locale()
    asked, dice = arguments(), random.Random()
    dice.seed(asked.seed)
    place = Path(tempfile.mkdtemp(prefix="fuzz-files-"))
    config, finished = experiment(place), place / "finished"
    for target in (FIRST, asked.target):  # what takes θ deletes its checkpoint
        if Run(finished, config, asked.cores, target).start().wait() != 0:
            sys.exit(f"the undisturbed run failed: see {finished}/output.txt")
        if target == FIRST:
            shutil.copy2(finished / CHECKPOINT, place / "checkpoint")
    expected = Run(finished, config, asked.cores, asked.target).results()
    shutil.copy2(place / "checkpoint", finished / CHECKPOINT)
    files = defaultdict(list)
    for path in sorted(finished.rglob("*")):
        if path.is_file() and (kind := kind_of(str(path.relative_to(finished)))):
            files[kind].append(str(path.relative_to(finished)))
    kinds = asked.files.split(",") if asked.files else list(KINDS)
    damages = asked.damages.split(",") if asked.damages else list(DAMAGES)
    if absent := [kind for kind in kinds if kind not in files]:
        print(f"no such file in this experiment: {', '.join(absent)}")
    pairs = [(kind, how) for kind in kinds if kind in files for how in damages]
    if asked.sample is not None:
        pairs = sorted(dice.sample(pairs, min(asked.sample, len(pairs))), key=pairs.index)
    damages_of, every = [], [path for paths in files.values() for path in paths]
    for kind, how in pairs:
        file = CHECKPOINT if kind == "checkpoint" else dice.choice(files[kind])
        others = [each for each in files[kind] if each != file] or [each for each in every if each != file]
        damages_of.append(Damage(kind, file, dice.choice(others), how))
    found: dict[str, Counter[str]] = defaultdict(Counter)
    wrong = []
    if asked.together > 1:
        dice.shuffle(damages_of)  # else a group has damages of one sort
    waiting = groups(damages_of, asked.together)
    while waiting:
        group, folder = waiting.pop(0), place / "damaged"
        shutil.copytree(finished, folder, symlinks=True)
        for what in sorted(group, key=lambda each: each.how != "swap"):  # a swap copies a sound file
            damage(folder, what, asked)
        outcome, lines = judged(Run(folder, config, asked.cores, asked.target), expected, len(group))
        shutil.rmtree(folder)
        text = "; ".join(f"{what.of}, {what.how} ({what.file})" for what in group)
        print(f"{text}: {outcome}", file=sys.stderr, flush=True)
        if outcome in (SAME, AFTER):
            for what in group:
                found[what.of][AFTER if outcome == AFTER and _named(what, lines, len(group)) else SAME] += 1
        elif len(group) > 1:
            waiting = [*([what] for what in group), *waiting]
        else:
            found[group[0].of]["WRONG"] += 1
            wrong.append(f"{text}: {outcome}")
    print(f"\n{'kind of file':<22}  {SAME:>10}  {AFTER:>14}  {'wrong':>5}")
    for kind in filter(found.get, KINDS):
        count = found[kind]
        print(f"{kind:<22}  {count[SAME]:>10}  {count[AFTER]:>14}  {count['WRONG']:>5}")
    print("\n".join(["", *wrong, f"{len(pairs)} damages, {len(wrong)} wrong"]))
    shutil.rmtree(place)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
