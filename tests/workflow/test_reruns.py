"""Every change reruns what it decides, and nothing else: the dry runs of a finished experiment after each of many."""

import copy
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from commandline import derain, planned, snakemake
from places import REPOSITORY
from trees import photograph, rainy, write, write_pairs

EXPERIMENT = {
    "device": "cpu",
    "orders": [["a", "b"]],
    "datasets": {name: {"layout": "rain-norain", "root": f"data/{name}"} for name in "abce"},
    "networks": {"net": {"backbone": "prenet", "stages": 1, "channels": 4, "blocks": 1}},
    "training": {"steps": 2, "batch": 2, "patch": 16, "warmup": 0},
    "importances": {"gradient": {"patches": 2}},
    "memories": {"pairs": {"patches": 4}},
    "methods": {
        "finetune": {},
        "nr": {
            "penalty": {"importance": "gradient", "strength": 1},
            "distillation": {"strength": 0.1, "loss": "l1"},
        },
        "replay": {"memory": {"name": "pairs"}},
    },
    "joint": {"steps_per_dataset": 2},
    "evaluation": {"previews": 1, "theory_patches": 2},
}


@dataclass
class Tree:
    """What a change may change: the config, the folder of the run (with its data), a clone of the repository."""

    config: dict[str, Any]
    folder: Any
    repository: Any


def write_data(folder):
    for number, name in enumerate("abce"):
        write_pairs(folder / "data" / name / "train", range(100 * number, 100 * number + 3))
        write_pairs(folder / "data" / name / "test", range(100 * number + 50, 100 * number + 52))


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A directory in which the experiment has run."""
    directory = tmp_path_factory.mktemp("finished")
    write_data(directory)
    run = snakemake(directory, EXPERIMENT)
    assert run.returncode == 0, run.stdout + run.stderr
    return directory


@pytest.fixture
def tree(finished, tmp_path):
    """A copy of the finished directory, with all its file times, and one of the repository, with none."""
    folder, repository = tmp_path / "run", tmp_path / "repository"
    shutil.copytree(finished, folder, symlinks=True)
    skipped = shutil.ignore_patterns(".*", "__pycache__", "results", "tests")
    shutil.copytree(REPOSITORY, repository, ignore=skipped, copy_function=shutil.copyfile)
    return Tree(copy.deepcopy(EXPERIMENT), folder, repository)


# --- changes


def to(path, value):
    """Another value in the config; path with dots."""

    def change(tree):
        *parents, last = path.split(".")
        section = tree.config
        for key in parents:
            section = section.setdefault(key, {})
        section[last] = value

    return change


def edit(file, old, new):
    """Another text in a file of the repository."""

    def change(tree):
        path = tree.repository / file
        source = path.read_text(encoding="utf-8")
        assert source.count(old) == 1
        path.write_text(source.replace(old, new), encoding="utf-8")

    return change


def other_pixels(file, number):
    """Another picture of the same size in a file of the data, under the file's old time."""

    def change(tree):
        path = tree.folder / "data" / file
        before = path.stat()
        write(path, rainy(number, rain=5) if "/rain/" in file else photograph(number))
        size = max(before.st_size, path.stat().st_size)
        os.truncate(path, size)  # PNG decoders pass over what follows the picture
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


def touch(part):
    """New times of all files of the data or of the repository."""

    def change(tree):
        for path in (tree.folder / "data" if part == "data" else tree.repository).rglob("*.*"):
            os.utime(path)

    return change


def more_pairs(dataset, number):
    return lambda tree: write_pairs(tree.folder / "data" / dataset / "train", [number])


def moved(dataset):
    def change(tree):
        (tree.folder / "data" / dataset).rename(tree.folder / "moved")
        tree.config["datasets"][dataset]["root"] = "moved"

    return change


def new_file(file, text):
    return lambda tree: (tree.repository / file).write_text(text, encoding="utf-8")


def deleted(stage):
    def change(tree):
        path = tree.folder / "results/stages/net/seed0" / stage
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def benchmarks(change):
    def to_all(tree):
        found = [*(tree.folder / "results/benchmarks").rglob("*.tsv")]
        assert found
        for path in found:
            change(path)

    return to_all


def copied_without_times(tree):
    """Files get times in the order of their names: inputs are often newer than what was made of them."""
    for number, path in enumerate(sorted((tree.folder / "results").rglob("*.*"))):
        os.utime(path, (1e9 + number, 1e9 + number))


def nothing(tree):
    pass


# --- jobs


def of_stages(rule, file, *stages):
    return {f"{rule} stages/net/seed0/{stage}/{file}" for stage in stages}


def first(*stages):
    return of_stages("first", "theta.safetensors", *stages)


def following(*stages):
    return of_stages("next", "theta.safetensors", *stages)


def joint(*stages):
    return of_stages("joint", "theta.safetensors", *stages)


def omega(*stages):
    shards = of_stages("importance_shard", "omega-gradient.shard0of1.safetensors", *stages)
    return shards | of_stages("importance", "omega-gradient.safetensors", *stages)


def memory(*stages):
    return of_stages("state", "memory-pairs.safetensors", *stages)


def evaluate(*stages):
    return of_stages("evaluate", "scores/all.csv", *stages)


def theory(*stages):
    return of_stages("theory", "theory.csv", *stages)


def packed(*stores):
    """Of a/training, a/test: the stores, and the checks of their datasets."""
    checks = {f"check_dataset datasets/{store.split('/')[0]}/check.csv" for store in stores}
    return checks | {f"pack datasets/{store}/pairs.csv" for store in stores}


def rainy_scores(*datasets):
    return {f"score_rainy datasets/{name}/rainy.csv" for name in datasets}


PAGE = {"report report.html"}
PAPER = {"figures figures/orders-net.svg", "paper_tables tables/verdict.csv"}
SCORES = {"summarise tables/scores.csv", "cost tables/cost.csv"} | PAPER | PAGE


def gather(*tables):
    return {f"gather tables/{table}.csv" for table in tables}


FIGURES = {"figures figures/orders-net.svg"}
SUMMARIES = gather("training", "moves", "theory", "theory-correlations") | SCORES
IMPORTANCE = gather("omega-layers", "omega-distribution", "omega-overlap")
WITH_PAST = ("finetune/a/b", "nr/a/b", "replay/a/b")
STAGES = ("first/a", "first/b", "joint/a+b", *WITH_PAST)
OF_NR = following("nr/a/b") | evaluate("nr/a/b") | theory("nr/a/b") | SUMMARIES
# θ of every stage, and all that hangs on it; memories hang on pairs and seed alone
EVERY_STAGE = (
    first("first/a", "first/b") | following(*WITH_PAST) | joint("joint/a+b") | omega("first/a")
    | IMPORTANCE | evaluate(*STAGES) | theory(*WITH_PAST) | SUMMARIES
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    change: Callable[[Tree], object]
    jobs: set[str]
    options: tuple[str, ...] = ()
    cause: str = ""


def at_seed(jobs, seed):
    return {job.replace("seed0", f"seed{seed}") for job in jobs}


CASES = {
    "nothing": Case(nothing, set()),
    "penalty strength": Case(
        to("methods.nr.penalty.strength", 2), OF_NR, cause="methods.nr.penalty.strength: 1.0 → 2.0"
    ),
    "penalty form": Case(to("methods.nr.penalty.form", "absolute"), OF_NR),
    "distillation weight": Case(to("methods.nr.distillation.strength", 1), OF_NR),
    "learning rate": Case(
        to("training.learning_rate", 0.001), EVERY_STAGE, cause="training.learning_rate: 0.005 → 0.001"
    ),
    "steps": Case(to("training.steps", 3), EVERY_STAGE - joint("joint/a+b") - evaluate("joint/a+b")),
    "loss": Case(to("training.loss", "mse"), EVERY_STAGE),
    "batch size": Case(to("training.batch", 3), EVERY_STAGE),
    "network width": Case(to("networks.net.channels", 5), EVERY_STAGE),
    "another seed": Case(to("seeds", [1]), at_seed(EVERY_STAGE | memory("first/a"), 1)),
    "a seed added": Case(to("seeds", [0, 1]), at_seed(EVERY_STAGE | memory("first/a"), 1)),
    "importance": Case(to("importances.gradient.patches", 4), IMPORTANCE | omega("first/a") | OF_NR),
    "training bytes of a dataset": Case(
        other_pixels("b/train/rain/100.png", 7),
        packed("b/training") | first("first/b") | following(*WITH_PAST) | joint("joint/a+b")
        | evaluate("first/b", "joint/a+b", *WITH_PAST) | theory(*WITH_PAST) | SUMMARIES,
    ),
    "training bytes of the first dataset": Case(
        other_pixels("a/train/norain/0.png", 7),
        packed("a/training") | memory("first/a") | EVERY_STAGE - first("first/b") - evaluate("first/b"),
    ),
    "test bytes of a dataset": Case(
        other_pixels("b/test/rain/150.png", 7), packed("b/test") | rainy_scores("b") | evaluate(*STAGES) | SCORES,
        cause="dataset b has other pairs",
    ),
    "another name of a root": Case(moved("a"), set()),
    "file times of the data": Case(touch("data"), set()),
    "a file added to a dataset": Case(
        more_pairs("b", 170),
        packed("b/training") | first("first/b") | following(*WITH_PAST) | joint("joint/a+b")
        | evaluate("first/b", "joint/a+b", *WITH_PAST) | theory(*WITH_PAST) | SUMMARIES,
    ),
    "a dataset that is not packed any more": Case(
        to("datasets.a.pack", False),
        {"pack datasets/a/training/pairs.csv", "pack datasets/a/test/pairs.csv"}
        | (SCORES - {"cost tables/cost.csv"}),
    ),
    "the packed datasets deleted": Case(
        lambda tree: shutil.rmtree(tree.folder / "results/datasets"),
        packed("a/training", "a/test", "b/training", "b/test") | rainy_scores("a", "b") | SCORES,
    ),
    "the packed pixels deleted": Case(
        lambda tree: [path.unlink() for path in (tree.folder / "results/datasets").rglob("pixels.bin")], set()
    ),
    "a method added where the packed datasets were deleted": Case(
        lambda tree: [
            shutil.rmtree(tree.folder / "results/datasets"),
            to("methods.lwf", {"distillation": {"strength": 1}})(tree),
        ],
        packed("a/training", "a/test", "b/training", "b/test") | rainy_scores("a", "b")
        | following("lwf/a/b") | evaluate("lwf/a/b") | theory("lwf/a/b") | SUMMARIES,
    ),
    "a copy without file times": Case(copied_without_times, set()),
    "an evaluation-only dataset added": Case(
        to("evaluation.datasets", ["e"]), packed("e/test") | rainy_scores("e") | evaluate(*STAGES) | SCORES,
        cause="dataset e joined",
    ),
    "a dataset appended to a sequence": Case(
        to("orders", [["a", "b", "c"]]),
        packed("c/training", "c/test") | rainy_scores("c") | first("first/c") | omega("nr/a/b") | joint("joint/a+b+c")
        | following(*(f"{stage}/c" for stage in WITH_PAST)) | theory(*(f"{stage}/c" for stage in WITH_PAST))
        | of_stages("accumulate", "omega.safetensors", "nr/a/b") | IMPORTANCE
        | of_stages("state", "memory.safetensors", "replay/a/b")
        | evaluate("first/a", "first/b", "first/c", "joint/a+b+c", *WITH_PAST, *(f"{s}/c" for s in WITH_PAST))
        | SUMMARIES,
    ),
    "a method added": Case(
        to("methods.lwf", {"distillation": {"strength": 1}}),
        following("lwf/a/b") | evaluate("lwf/a/b") | theory("lwf/a/b") | SUMMARIES,
        cause="it was never made here",
    ),
    "an order added": Case(
        to("orders", [["b", "a"], ["a", "b"]]),
        IMPORTANCE |
        following("finetune/b/a", "nr/b/a", "replay/b/a") | omega("first/b") | memory("first/b")
        | evaluate("finetune/b/a", "nr/b/a", "replay/b/a") | theory("finetune/b/a", "nr/b/a", "replay/b/a") | SUMMARIES,
    ),
    "a plot": Case(
        edit("scripts/derain/report/charts.py", "import pandas as pd\n", "import pandas as pd\n\nX = 1\n"),
        PAGE | FIGURES,
    ),
    "how layers are summed": Case(
        edit("scripts/derain/evaluation/layers.py", "import pandas as pd\n", "import pandas as pd\n\nX = 1\n"),
        gather("moves") | IMPORTANCE | PAGE | FIGURES,
    ),
    "the correlations with the theory": Case(
        edit("scripts/derain/evaluation/correlations.py", "import pandas as pd\n", "import pandas as pd\n\nX = 1\n"),
        gather("theory-correlations") | PAGE | FIGURES,
    ),
    "the style of the page": Case(edit("scripts/derain/report/page.css", "margin: 0 auto;", "margin: 0;"), PAGE),
    "log and progress options": Case(to("training.log_every", 1), set()),
    "validation interval": Case(to("training.validate_every", 1), set()),
    "event files for TensorBoard": Case(to("training.tensorboard", True), set()),
    "workers": Case(to("training.workers", 1), set()),
    "checkpoint interval": Case(to("training.checkpoint_every", 1), set()),
    "benchmark files deleted": Case(benchmarks(lambda path: path.unlink()), set()),
    "benchmark files older than what was taken or touched since": Case(
        benchmarks(lambda path: os.utime(path, (1, 1))), set()
    ),
    "cores": Case(nothing, set(), ("--cores", "1")),
    "a comment in the penalty": Case(
        edit("scripts/derain/method/penalty.py", "import torch\n", "import torch\n\n# As published.\n"), set()
    ),
    "the formula of the penalty": Case(
        edit("scripts/derain/method/penalty.py", "import torch\n", "import torch\n\nX = 1\n"),
        OF_NR,
        cause="code of derain.method.penalty",
    ),
    "the merge of shards": Case(
        edit("scripts/derain/method/accumulation.py", "import numpy as np\n", "import numpy as np\n\nX = 1\n"),
        IMPORTANCE | omega("first/a") | OF_NR,
    ),
    "a new backbone": Case(new_file("scripts/derain/networks/mprnet.py", "class Network:\n    pass\n"), set()),
    "touched or freshly cloned sources": Case(touch("repository"), set()),
    "a cluster's profile": Case(nothing, set(), ("--workflow-profile", str(REPOSITORY / "profiles/slurm"))),
    # parts of a sequence, as docs/how-to/rerun.md tells
    "a stage's directory deleted": Case(deleted("nr/a/b"), OF_NR, cause="files are missing"),
    "a stage's θ deleted alone": Case(deleted("nr/a/b/theta.safetensors"), OF_NR, cause="files are missing"),
    "a first stage's directory deleted": Case(
        deleted("first/a"),
        memory("first/a") | EVERY_STAGE - first("first/b") - joint("joint/a+b") - evaluate("first/b", "joint/a+b"),
    ),
    "one stage by its path": Case(
        deleted("nr/a/b"), following("nr/a/b"), ("results/stages/net/seed0/nr/a/b/theta.safetensors",)
    ),
    "one stage by its path, nothing missing": Case(
        to("methods.finetune.distillation", {"strength": 1}),
        set(),
        ("results/stages/net/seed0/nr/a/b/theta.safetensors",),
    ),
    "until evaluate": Case(
        to("methods.nr.penalty.strength", 2), following("nr/a/b") | evaluate("nr/a/b"), ("--until", "evaluate")
    ),
    "evaluate again": Case(
        nothing, evaluate(*STAGES) | SCORES, ("-R", "evaluate"), cause="you ask for it (-f, -F, -R)"
    ),
    "a stage again": Case(
        nothing, OF_NR, ("--forcerun", "results/stages/net/seed0/nr/a/b/theta.safetensors")
    ),
    "a dataset replaced": Case(
        to("datasets.b.root", "data/c"),
        packed("b/training", "b/test") | rainy_scores("b") | first("first/b") | following(*WITH_PAST)
        | joint("joint/a+b") | evaluate(*STAGES) | theory(*WITH_PAST) | SUMMARIES,
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_change_reruns_exactly_what_it_decides(case, tree):
    CASES[case].change(tree)
    run = snakemake(tree.folder, tree.config, "-n", *CASES[case].options, repository=tree.repository)
    assert planned(run) == sorted(CASES[case].jobs)


@pytest.mark.slow
@pytest.mark.parametrize("case", [name for name, case in CASES.items() if case.cause])
def test_why_names_the_cause(case, tree):
    CASES[case].change(tree)
    run = derain("why", tree.folder, tree.config, *CASES[case].options, repository=tree.repository)
    assert run.returncode == 0, run.stderr
    assert f"because {CASES[case].cause}:\n" in run.stdout
    assert f"{len(CASES[case].jobs)} jobs would run" in run.stdout
