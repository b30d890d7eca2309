"""A tiny experiment in one process, again and again, each time with the return values of one function perturbed.

`python tests/perturbed.py <folder> <module> ...` prints, as JSON, for each function of the modules what came of it:
"same" outputs, "different" ones, an "error", "not called", or "no value" where there was nothing to perturb.
"""

import ast
import builtins
import contextlib
import dataclasses
import hashlib
import importlib.machinery
import inspect
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from functools import wraps
from pathlib import Path
from types import SimpleNamespace

from places import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts"))

FUNCTIONS = []  # names of all functions of the modules
CALLED = {}  # by name, whether it returned anything that `other` changes
STATE = SimpleNamespace(perturbed=None)  # name of the function whose return values are

# --- perturbation


def other(value):
    """Another value of the same type; what has none, such as None, stays."""
    import numpy as np
    import torch
    from pydantic import BaseModel

    if isinstance(value, bool | np.bool_):
        return not value
    if isinstance(value, int | float | np.number):
        return type(value)(value * 1.5 + 1)
    if isinstance(value, str | Path):
        return type(value)(f"{value}x")
    if isinstance(value, bytes):
        return value + b"x"
    if isinstance(value, torch.Tensor | np.ndarray):
        return value + 1
    if isinstance(value, Mapping):
        return {key: other(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and not hasattr(value, "_fields"):
        return type(value)(other(part) for part in value)
    if isinstance(value, BaseModel):
        return value.model_copy(update=other(dict(value)))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **other(fields))
    return value


def perturbable(name):
    """A decorator: what the function returns, or yields, is another value while its name is STATE.perturbed."""

    def result(value):
        perturbed = other(value)
        CALLED[name] = CALLED.get(name, False) or perturbed is not value
        return perturbed if name == STATE.perturbed else value

    def wrapped(function):
        FUNCTIONS.append(name)

        @wraps(function)
        def returning(*args, **more):
            return result(function(*args, **more))

        @wraps(function)
        def yielding(*args, **more):
            generator = function(*args, **more)
            try:
                value = next(generator)
                while True:
                    try:
                        sent = yield result(value)
                    except BaseException as error:
                        value = generator.throw(error)
                    else:
                        value = generator.send(sent)
            except StopIteration:
                return

        return yielding if inspect.isgeneratorfunction(function) else returning

    return wrapped


class Loader(importlib.machinery.SourceFileLoader):
    """Loads a module with every function in it perturbable, nested ones, properties and validators too."""

    def get_code(self, fullname):
        tree = ast.parse(self.get_data(self.path))
        self.mark(tree, fullname)
        return compile(ast.fix_missing_locations(tree), self.path, "exec")

    def mark(self, node, name):
        for child in ast.iter_child_nodes(node):
            inner = f"{name}.{child.name}" if isinstance(child, ast.FunctionDef | ast.ClassDef) else name
            if isinstance(child, ast.FunctionDef):
                call = ast.Call(ast.Name("perturbable", ast.Load()), [ast.Constant(inner)], [])
                child.decorator_list.append(call)
            self.mark(child, inner)


class Finder:
    """Finds the modules that are to be perturbable."""

    def __init__(self, modules):
        self.modules = modules

    def find_spec(self, name, path=None, target=None):
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if name in self.modules else None
        if spec is not None:
            spec.loader = Loader(name, spec.origin)
        return spec


# --- the experiment

RAIN = {"angle": [0, 10], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.3]}
HELD = {
    "penalty": {"importance": "gradient", "strength": 1},
    "distillation": {"strength": 0.5, "loss": "l1", "intensity": "rain"},
    "memory": {"name": "rain"},
}
EXPERIMENT = {
    "device": "cpu",
    "orders": [["a", "b", "c"]],
    "datasets": {name: {"layout": "rendered", "rain": RAIN} for name in "abc"},
    "networks": {"net": {"backbone": "prenet", "stages": 1, "channels": 2, "blocks": 1}},
    "training": {"steps": 3, "batch": 2, "patch": 16, "warmup": 0, "validate_every": 2, "tensorboard": True},
    "importances": {"gradient": {"patches": 4, "shards": 2}},
    "intensities": {"rain": {"patches": 2}},
    "memories": {"rain": {"patches": 2}},
    "methods": {"finetune": {}, "mixed": {"blend": {}}, "nr": HELD | {"search": {"scales": [1]}}},
    "evaluation": {"previews": 1, "theory_patches": 1, "chord": [0.5], "chord_importance": "gradient"},
}
SCRIPTS = {"candidate": "next", "joint": "first"}


def write_stores(folder):
    """Stores of three datasets, two pairs of each split; as sources, which know the digests of their pairs."""
    import numpy as np
    from derain.data.store import Row, images_digest, pairs_digest
    from derain.files.rows import write_rows

    columns = [field.name for field in dataclasses.fields(Row)]
    digests = {}
    for number, dataset in enumerate("abc"):
        for use, splits in {"training": ("train", "validation"), "test": ("test",)}.items():
            rows, pixels = [], b""
            for n, split in enumerate(splits):
                for m in range(2):
                    rng = np.random.default_rng((number, n, m, use == "test"))
                    clean = rng.integers(0, 200, (20, 22, 3), dtype=np.uint8)
                    rainy = clean + rng.integers(0, 50, (20, 22, 1), dtype=np.uint8)
                    name, at = f"{split}{m}", len(pixels)
                    sha256 = images_digest(rainy, clean)
                    rows.append(Row(split, name, name, 20, 22, True, at, at + clean.nbytes, sha256))
                    pixels += rainy.tobytes() + clean.tobytes()
            place = folder / "results/datasets" / dataset / use
            write_rows(place / "pairs.csv", columns, map(vars, rows))
            (place / "pixels.bin").write_bytes(pixels)
            digests[dataset, use] = pairs_digest(rows)
    return SimpleNamespace(pairs=lambda dataset, use: digests[dataset, use])


def run_experiment(plan, settings):
    """Every job of the plan, parents first, as the rules would run it; in the working directory."""
    from derain.plan.plan import beside
    from entry import Files, Wildcards, run_script

    def run(
        script,
        output,
        inputs,
        recipe=None,
        stop_first=False,
        entry="",
        pairs=None,
        recipes=None,
        ssim=None,
        **wildcards,
    ):
        given = [file for files in inputs.values() for file in ([files] if isinstance(files, str) else files)]
        first = output[0] if isinstance(output, list) else next(iter(output.values()))
        Path(first).parent.mkdir(parents=True, exist_ok=True)
        job = {
            "input": Files(inputs),
            "output": Files(output) if isinstance(output, dict) else output,
            "params": {"recipe": recipe, "weights": None, "entry": entry, "pairs": pairs, "ssim": ssim}
            | {"recipes": recipes or plan.recipes(given)},
            "config": settings,
            "log": [f"{first}.log"],
            "wildcards": Wildcards(**wildcards),
        }
        if stop_first:  # an attempt that ends after its first step
            with contextlib.suppress(SystemExit):
                run_script(script, **job, resources={"runtime": 1e-6})
        run_script(script, **job)

    for dataset in "abc":
        store = f"results/datasets/{dataset}/test"
        inputs = {"tables": [f"{store}/pairs.csv"], "pixels": [f"{store}/pixels.bin"]}
        run(
            "score_rainy",
            [f"results/datasets/{dataset}/rainy.csv"],
            inputs,
            pairs=plan.sources.pairs(dataset, "test"),
            ssim=plan.experiment.evaluation.ssim,
            dataset=dataset,
        )
    for number, (file, artifact) in enumerate(plan.made.items()):
        script, output, inputs = SCRIPTS.get(artifact.rule, artifact.rule), [file], artifact.inputs
        shard = re.search(r"shard(\d)", file)
        theta = file.endswith("theta.safetensors")
        if theta:
            output = {"theta": file, "table": beside(file, "training.csv")}
        if artifact.rule == "adopt":
            at = Wildcards(stage=file.removeprefix("results/stages/").rpartition("/")[0])
            choice = beside(file, "strength.csv")
            run("choose", [choice], plan.choice_inputs(at), artifact.recipe.plain())
            inputs = plan.candidate_files(at) | {"choice": choice}
        if artifact.rule == "blend":
            at = Wildcards(stage=file.removeprefix("results/stages/").rpartition("/")[0])
            inputs, output["choice"] = plan.blend_inputs(at), beside(file, "blend.csv")
        stopped = artifact.rule in ("first", "importance_shard")
        entry = f"store/{number}" if theta else ""
        run(script, output, inputs, artifact.recipe.plain(), stopped, entry, shard=shard and shard[1])
        if entry and script not in ("adopt", "blend"):
            taken = {name: f"results/taken/{number}/{Path(made).name}" for name, made in output.items()}
            inputs = artifact.inputs.values()
            files = [each for given in inputs for each in ([given] if isinstance(given, str) else given)]
            parents = dict(enumerate(files))
            run("take", taken, parents, entry=entry, recipes={taken["theta"]: artifact.recipes})
    for stage in plan.diagnosed[-1:]:
        at = Wildcards(stage=stage.path, part="all")
        scored = {"scores": stage.file("scores/all.csv"), "previews": stage.file("previews/all.npz")}
        Path(scored["previews"]).parent.mkdir(parents=True)
        run("evaluate", scored, plan.scores.inputs(at), plan.scores.recipe(at))
        run("theory", [stage.file("theory.csv")], plan.theory.inputs(at), plan.theory.recipe(at))
    for stage in plan.chorded[-1:]:
        for blend in plan.blends:
            at = Wildcards(stage=stage.path, alpha=blend.alpha, importance=blend.importance)
            run("chord", [stage.file(blend.file)], plan.chord.inputs(at), plan.chord.recipe(at))


def outputs():
    """Digests of the tensors and tables of the results, without what a clock says and without metadata."""
    import numpy as np
    import pandas as pd
    from safetensors.numpy import load_file

    found = {}
    for path in sorted(Path("results").rglob("*")):
        if path.suffix in (".safetensors", ".npz"):
            arrays = dict(load_file(path) if path.suffix == ".safetensors" else np.load(path))
            content = [(name, array.shape, str(array.dtype), array.tobytes()) for name, array in arrays.items()]
        elif path.suffix == ".csv":
            table = pd.read_csv(path, dtype=str).drop(columns=["seconds", "images_per_second"], errors="ignore")
            content = table.to_csv()
        else:
            continue
        if "parts" not in path.parts:  # kept scores, known by the recipe
            found[str(path)] = hashlib.sha256(repr(content).encode()).hexdigest()
    return found


def one_process(processes, device, work, log):
    """`together`, which must not fork here: torch has computed in this process before."""
    if processes > 1:
        raise RuntimeError(f"{processes} processes")
    work()


def main(folder, modules):
    builtins.perturbable = perturbable
    sys.meta_path.insert(0, Finder(modules))
    for module in modules:
        importlib.import_module(module)
    import torch
    from derain.config.experiment import read_experiment
    from derain.plan.plan import Plan
    from derain.training import job

    job.together = one_process
    torch.set_num_threads(1)
    experiment = read_experiment(EXPERIMENT)
    plan = Plan(experiment, write_stores(folder / "template"))
    settings = experiment.model_dump(mode="json") | {"local_scratch": str(folder / "run/scratch")}
    plan.made  # noqa: B018 (recipes are made before anything is perturbed)

    def after(function):
        shutil.rmtree(folder / "run", ignore_errors=True)
        shutil.copytree(folder / "template", folder / "run")
        os.chdir(folder / "run")
        for module in modules:
            for remembered in vars(sys.modules[module]).values():
                getattr(remembered, "cache_clear", lambda: None)()
        STATE.perturbed, stderr = function, io.StringIO()
        try:
            with contextlib.redirect_stderr(stderr):
                run_experiment(plan, settings)
        except (Exception, SystemExit) as error:
            if function is None:
                raise RuntimeError(stderr.getvalue()) from error
            return f"error: {type(error).__name__}"
        finally:
            STATE.perturbed = None
        return outputs()

    CALLED.clear()
    expected = after(None)
    called = dict(CALLED)
    assert after(None) == expected, "the same twice"
    told = {}
    for function in dict.fromkeys(FUNCTIONS):
        idle = "no value" if function in called else "not called"
        found = after(function) if called.get(function) else idle
        told[function] = ("same" if found == expected else "different") if isinstance(found, dict) else found
    print(json.dumps({"outputs": sorted(expected), "functions": told}))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
