"""Whether a test fails where a formula is wrong: each of MUTATIONS breaks one, and the numerical tests run on it.

    python benchmarks/mutations.py [WORD ...] [--jobs N]

WORD: only mutations whose name has one of the words. Each is a replacement of text in a copy of the repository, in a
temporary folder; a text that is not there exactly once is an error. The tests run under each of SETS of instructions,
as far as the processor has them: another set has other rounding, and a test that fails under one of them may be blind
under another. First the copy is tested as it is, which has to pass. Prints a table: mutation × set → the test that
failed first, or SURVIVED. Ends with 1 where a mutation survived.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import REPOSITORY
from instruction_sets import SETS

# Where the formulas are.
PENALTY = "scripts/derain/method/penalty.py"
DISTILLATION = "scripts/derain/method/distillation.py"
INTENSITY = "scripts/derain/method/intensity.py"
TERMS = "scripts/derain/training/ingredients.py"
IMPORTANCE = "scripts/derain/method/importance.py"
OMEGA_JOB = "scripts/derain/training/importance.py"
OMEGA = "scripts/derain/method/accumulation.py"
MEMORY = "scripts/derain/method/memory.py"
TRAINING = "scripts/derain/training/loop.py"
LOSSES = "scripts/derain/method/losses.py"
THEORY = "scripts/derain/evaluation/theory.py"
CONFIG = "config.yaml"

_ABSOLUTE = "return (omega * _smooth_abs(move)).sum()"
_SQUARED = "return 0.5 * (omega * move.square()).sum()"
_PIGWM = "return (0.5 * bounds + 0.5 * bounds.square()).sum()"
_DELTA = 'weight_rms(theta_star) if normalisation == "loss_units" else 1.0'
_MOVE = "(theta - self.theta_star) / self.delta"
_OMEGA_HAT = "_flat(omega, self.names) * self.delta"
_DISTILLED = "return self.loss(output, target).mean()"
_ON_OTHER_RAIN = "return strength * distillation(rainy, moving(rainy))"
_PENALISED = "return lambda moving, seen: strength * penalty(moving)"
_SUM = 'return gradient.abs() if power == "absolute" else gradient.double().square()'
_ADD = "total += part"
_MEAN = '"mean": lambda old, now: (datasets * old + now) / (datasets + 1)'
_EXPONENTIAL = '"exponential": lambda old, now: alpha * now + (1 - alpha) * old'
_OLD_RAIN = "rainy[place] = (clean[place] + rain).clamp(0, 1)"
_OLD_PAIR = "rainy[place], clean[place] = as_tensor(np.ascontiguousarray(drawn))"

# What is wrong, and (path, text, other text) of each replacement.
MUTATIONS: dict[str, list[tuple[str, str, str]]] = {
    "absolute: sign": [(PENALTY, _ABSOLUTE, "return -(omega * _smooth_abs(move)).sum()")],
    "absolute: twice": [(PENALTY, _ABSOLUTE, "return 2 * (omega * _smooth_abs(move)).sum()")],
    "absolute: without Ω": [(PENALTY, _ABSOLUTE, "return _smooth_abs(move).sum()")],
    "absolute: Ω²": [(PENALTY, _ABSOLUTE, "return (omega.square() * _smooth_abs(move)).sum()")],
    "absolute: Δ without |·|": [(PENALTY, _ABSOLUTE, "return (omega * move).sum()")],
    "absolute: not 0 at θⁿ": [(PENALTY, ".sqrt() - SMOOTHING", ".sqrt()")],
    "absolute: a wide smoothing": [(PENALTY, "SMOOTHING = 1e-3", "SMOOTHING = 2e-3")],
    "squared: sign": [(PENALTY, _SQUARED, "return -0.5 * (omega * move.square()).sum()")],
    "squared: twice": [(PENALTY, _SQUARED, "return (omega * move.square()).sum()")],
    "squared: without Ω": [(PENALTY, _SQUARED, "return 0.5 * move.square().sum()")],
    "squared: Ω²": [(PENALTY, _SQUARED, "return 0.5 * (omega * move).square().sum()")],
    "squared: mean for sum": [(PENALTY, _SQUARED, "return 0.5 * (omega * move.square()).mean()")],
    "pigwm: sign": [(PENALTY, _PIGWM, "return (-0.5 * bounds - 0.5 * bounds.square()).sum()")],
    "pigwm: twice": [(PENALTY, _PIGWM, "return (bounds + bounds.square()).sum()")],
    "pigwm: without S": [(PENALTY, _PIGWM, "return (0.5 * bounds.square()).sum()")],
    "pigwm: without S²": [(PENALTY, _PIGWM, "return (0.5 * bounds).sum()")],
    "pigwm: S − S²": [(PENALTY, _PIGWM, "return (0.5 * bounds - 0.5 * bounds.square()).sum()")],
    "normalisation: the other one": [(PENALTY, _DELTA, _DELTA.replace("==", "!="))],
    "normalisation: δ² for δ": [(PENALTY, " ** 0.5)", ")")],
    "normalisation: δ twice": [(PENALTY, _DELTA, f"2 * {_DELTA}")],
    "normalisation: Δ as it is": [(PENALTY, _MOVE, "(theta - self.theta_star)")],
    "normalisation: Ω as it is": [(PENALTY, _OMEGA_HAT, "_flat(omega, self.names)")],
    "normalisation: Ω / δ": [(PENALTY, _OMEGA_HAT, _OMEGA_HAT.replace("*", "/"))],
    "penalty: θ for Δ": [(PENALTY, _MOVE, "theta / self.delta")],
    "penalty: silently zero": [(PENALTY, _PENALISED, "return lambda moving, seen: 0 * strength * penalty(moving)")],
    "penalty: θⁿ moves along": [
        (PENALTY, "theta_star = {name: theta.detach().clone()", "theta_star = {name: theta.detach()")
    ],
    "penalty: without its strength": [(PENALTY, _PENALISED, "return lambda moving, seen: penalty(moving)")],
    "penalty: Ω of the file unused": [(PENALTY, "if state is None:", "if True:")],
    "distillation: sign": [(DISTILLATION, _DISTILLED, "return -self.loss(output, target).mean()")],
    "distillation: twice": [(DISTILLATION, _DISTILLED, "return 2 * self.loss(output, target).mean()")],
    "distillation: sum for mean": [(DISTILLATION, _DISTILLED, "return self.loss(output, target).sum()")],
    "distillation: to the rainy image": [(DISTILLATION, _DISTILLED, "return self.loss(output, rainy).mean()")],
    "distillation: to itself": [(DISTILLATION, _DISTILLED, "return self.loss(output, output.detach()).mean()")],
    "distillation: the teacher moves": [
        (DISTILLATION, "copy.deepcopy(teacher).requires_grad_(False).eval()", "teacher")
    ],
    "distillation: silently zero": [(DISTILLATION, _ON_OTHER_RAIN, f"{_ON_OTHER_RAIN} * 0")],
    "distillation: left out": [
        (TERMS, 'if hasattr(module, "term")', 'if hasattr(module, "term") and name != "distillation"')
    ],
    "distillation: without its strength": [(DISTILLATION, _ON_OTHER_RAIN, "return distillation(rainy, moving(rainy))")],
    "distillation: on rain as it is": [
        (DISTILLATION, _ON_OTHER_RAIN, "return strength * distillation(seen.rainy, seen.output)")
    ],
    "distillation: output of rain as it is": [
        (DISTILLATION, _ON_OTHER_RAIN, "return strength * distillation(rainy, seen.output)")
    ],
    "distillation: the same strengths each step": [(DISTILLATION, "depth, seen.step)", "depth, 1)")],
    "distillation: strengths not log-uniform": [
        (INTENSITY, "math.log(factor) for", "factor for"),
        (INTENSITY, "np.exp(np.random.default_rng(seed).uniform(low, high, first + len(rainy))[first:])",
         "np.random.default_rng(seed).uniform(low, high, first + len(rainy))[first:]"),
    ],
    "distillation: rain on rain": [(INTENSITY, "(clean + factors", "(rainy + factors")],
    "distillation: rain not clipped": [(INTENSITY, "(rainy - clean)).clamp(0, 1)", "(rainy - clean))")],
    "intensity: of the image": [(INTENSITY, "(rainy - clean).abs()", "rainy.abs()")],
    "intensity: light for heavy": [(INTENSITY, "(_beside(np.array(wanted), rainy) / intensity(rainy, clean))",
                                    "(intensity(rainy, clean) / _beside(np.array(wanted), rainy))")],
    "intensity: of the first dataset": [(INTENSITY, "old[int(dataset * len(old))]", "old[0]")],
    "intensity: of the first patch": [(INTENSITY, "of_dataset[int(patch * len(of_dataset))]", "of_dataset[0]")],
    "intensity: the same for a whole batch": [(INTENSITY, "(first + len(rainy), 2))[first:]",
                                               "(1, 2)).repeat(len(rainy), 0)")],
    "intensity: drawn again in each part": [(INTENSITY, "(first + len(rainy), 2))[first:]", "(len(rainy), 2))")],
    "intensity: stronger rain, too": [(INTENSITY, ".clamp(max=1)", "")],
    "nr: no penalty by default": [(CONFIG, "strength: 0.1  ", "strength: 0  ")],
    "Ω: sign": [(OMEGA_JOB, _ADD, _ADD.replace("+=", "-="))],
    "Ω: twice": [(IMPORTANCE, _SUM, _SUM.replace("gradient.abs()", "2 * gradient.abs()"))],
    "Ω: squared twice": [(IMPORTANCE, _SUM, _SUM.replace("gradient.double()", "2 * gradient.double()"))],
    "Ω: |·| outside the mean": [
        (IMPORTANCE, _SUM, _SUM.replace("gradient.abs()", "gradient")),
        (OMEGA_JOB, "    return sums, done", "    return {name: total.abs() for name, total in sums.items()}, done"),
    ],
    "Ω: |·| missing": [(IMPORTANCE, _SUM, _SUM.replace("gradient.abs()", "gradient"))],
    "Ω: square outside the mean": [
        (IMPORTANCE, _SUM, _SUM.replace(".double().square()", "")),
        (OMEGA_JOB, "    return sums, done",
         "    return {n: t if power == 'absolute' else t.square() / done for n, t in sums.items()}, done"),
    ],
    "Ω: |g| for g²": [(IMPORTANCE, _SUM, "return gradient.abs()")],
    "Ω: missing": [(OMEGA_JOB, _ADD, _ADD.replace("+= ", "+= 0 * "))],
    "Ω: the other objective": [(IMPORTANCE, 'if of == "loss"', 'if of != "loss"')],
    "Ω: |f| for f²": [(IMPORTANCE, "output.square().flatten(1)", "output.abs().flatten(1)")],
    "Ω: samples for batches": [(OMEGA_JOB, 'if section.per == "sample" else job.recipe.training.batch', "")],
    "Ω: the last gradient left out": [(OMEGA_JOB, "mine[checkpoint.done :]", "mine[checkpoint.done : -1]")],
    "merge: sum for mean": [(OMEGA, "(total / summands)", "total")],
    "merge: count of the last shard": [(OMEGA, "summands += count", "summands = count")],
    "accumulation: mean of two": [(OMEGA, _MEAN, '"mean": lambda old, now: (old + now) / 2')],
    "accumulation: past once more": [(OMEGA, _MEAN, _MEAN.replace("(datasets * old", "((datasets + 1) * old"))],
    "accumulation: sum as difference": [(OMEGA, "old, now: old + now,", "old, now: old - now,")],
    "accumulation: α of the other": [
        (OMEGA, _EXPONENTIAL, '"exponential": lambda old, now: alpha * old + (1 - alpha) * now')
    ],
    "accumulation: minimum": [(OMEGA, "np.maximum,", "np.minimum,")],
    "accumulation: past alone": [(OMEGA, "(past[name], new[name])", "(past[name], past[name])")],
    "memory: sign of the rain": [(MEMORY, _OLD_RAIN, _OLD_RAIN.replace("+", "-"))],
    "memory: rain not clipped": [(MEMORY, _OLD_RAIN, "rainy[place] = clean[place] + rain")],
    "memory: without its share": [(MEMORY, "round(self.share * len(rainy))", "0")],
    "memory: the whole batch": [(MEMORY, "round(self.share * len(rainy))", "len(rainy)")],
    "memory: clean as rainy": [
        (MEMORY, _OLD_PAIR, _OLD_PAIR.replace("rainy[place], clean[place]", "clean[place], rainy[place]"))
    ],
    "memory: of one dataset": [(MEMORY, "self.stored[rng.integers(len(self.stored))]", "self.stored[0]")],
    "memory: layers the other way": [(MEMORY, "levels[:, 0] - levels[:, 1]", "levels[:, 1] - levels[:, 0]")],
    "memory: gain twice": [(MEMORY, "layer *= np.float32(", "layer *= 2 * np.float32(")],
    "memory: a layer mixed with itself": [
        (MEMORY, "layer += _turned(of_dataset[rng.integers(len(of_dataset))], rng)", "layer += layer")
    ],
    "loss: without the terms": [(TRAINING, "share * values.sum()", "share * values[0]")],
    "loss: terms subtracted": [(TRAINING, "share * values.sum()", "share * (2 * values[0] - values.sum())")],
    "loss: parts weighted alike": [(TRAINING, "share = len(rainy) / size", "share = 1 / recipe.parts")],
    "loss: SSIM's sign": [(LOSSES, "return -(luminance * structure)", "return (luminance * structure)")],
    "loss: SSIM's constant": [(LOSSES, "0.03**2", "0.3**2")],
    "theory: |·| outside the mean": [
        (THEORY, "absolute[name] += gradient.abs()", "absolute[name] += gradient"),
        (THEORY, "(absolute[name] * delta", "(absolute[name].abs() * delta"),
    ],
    "theory: sign of the estimate": [
        (THEORY, "delta = {name: (moved - theta[name])", "delta = {name: (theta[name] - moved)")
    ],
}  # fmt: skip


def _copy(folder: Path) -> None:
    """The repository as it is now, without what git ignores."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=REPOSITORY, capture_output=True, check=True).stdout.decode().split("\0"):
        if name and (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)


def faults_of(name: str) -> list[str]:
    """A line for each text of a mutation that its file does not have exactly once."""
    counts = {
        (path, text): (REPOSITORY / path).read_text(encoding="utf-8").count(text) for path, text, _ in MUTATIONS[name]
    }
    return [f"{name}: {path} has {text!r} {n} times, not once" for (path, text), n in counts.items() if n != 1]


def _mutate(folder: Path, name: str) -> None:
    for path, text, other in MUTATIONS[name]:
        content = (folder / path).read_text(encoding="utf-8")
        (folder / path).write_text(content.replace(text, other), encoding="utf-8")


def _tests(name: str) -> list[list[str]]:
    """Files of numerical tests: those named like a module that the mutation changes, and all others."""
    stems = tuple(f"test_{Path(path).stem}" for path, *_ in MUTATIONS.get(name, []))
    files = sorted((REPOSITORY / "tests").rglob("test_*.py"))
    numerical = [file for file in files if "pytest.mark.numerical" in file.read_text(encoding="utf-8")]
    parts = ([file for file in numerical if file.stem.startswith(stems) == near] for near in (True, False))
    return [[str(file.relative_to(REPOSITORY)) for file in part] for part in parts if part]


def _failed(folder: Path, files: list[str], variables: dict[str, str]) -> str:
    """The first test of the files that failed; "" where all passed."""
    others = {key: value for key, value in os.environ.items() if key not in SETS["SSE4.1"]}
    others["PYTHONPATH"] = str(folder / "scripts")  # before an installed derain
    command = [sys.executable, "-m", "pytest", "-x", "-m", "numerical and not slow", "--tb=no", "-rfE", *files]
    ended = subprocess.run(command, cwd=folder, env=others | variables, capture_output=True, text=True, check=False)
    found = re.search(r"^(?:FAILED|ERROR) \S*?::(\S+)", ended.stdout, re.MULTILINE)
    if ended.returncode not in (0, 1) or bool(ended.returncode) != bool(found):
        raise RuntimeError(f"the tests did not run\n{ended.stdout[-3000:]}{ended.stderr[-3000:]}")
    return found[1] if found else ""


def _run(name: str) -> dict[str, str]:
    """By set: the first test that failed, or "" where all passed. name: of a mutation, or of none."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _copy(folder)
        if name in MUTATIONS:
            _mutate(folder, name)
        failed = {}
        for each, variables in SETS.items():
            parts = (_failed(folder, files, variables) for files in _tests(name))
            failed[each] = next(filter(None, parts), "")
        return failed


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="*")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    names = [name for name in MUTATIONS if not asked.words or any(word in name for word in asked.words)]
    if faults := [fault for name in names for fault in faults_of(name)]:  # before anything runs
        sys.exit("\n".join(faults))
    if any((unchanged := _run("unchanged")).values()):
        sys.exit(f"the tests fail without a mutation: {unchanged}")
    print(f"| mutation | {' | '.join(SETS)} |\n|---|{'---|' * len(SETS)}", flush=True)
    survived = 0
    with ThreadPoolExecutor(asked.jobs) as pool:
        for name, found in zip(names, pool.map(_run, names), strict=True):
            print(f"| {name} | {' | '.join(test or 'SURVIVED' for test in found.values())} |", flush=True)
            survived += not all(found.values())
    print(f"\n{len(names)} mutations, {survived} survived")
    sys.exit(survived > 0)


if __name__ == "__main__":
    main()
