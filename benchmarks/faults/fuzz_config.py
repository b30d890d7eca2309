"""Damaged configs: none ends in a traceback or a hang, and what is accepted can be planned.

    python benchmarks/faults/fuzz_config.py [--count 6000] [--seed 0] [--plan 200]

Mutations of the embedded config.yaml, and of one with all sections, are read in this process, and what is accepted is
planned as the Snakefile does. --plan: of the accepted ones, so many go through `snakemake -n` as well. Ends with 1 if
anything is amiss; the text of each such config is printed with its number, which --only repeats.
"""

import argparse
import copy
import random
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import REPOSITORY
from derain.config.experiment import read_experiment
from derain.config.reading import load
from derain.errors import UserError
from derain.plan.page import PagePlan
from derain.plan.plan import Plan

LIMIT, PLAN_LIMIT = 20, 300  # seconds
RAIN = {"angle": [-10, 10], "length": [7, 11], "width": 1.2, "density": 0.02, "brightness": [0.2, 0.4], "blur": 0.5}
PLACE = {"rainy": "{scene}_{rain}.png", "clean": "{scene}.png"}
FULL: dict[str, Any] = {
    "device": "cpu",
    "seeds": [0, 7],
    "orders": {"datasets": ["a", "b", "c"], "choose": "random", "count": 2, "seed": 1},
    "datasets": {
        "a": {"layout": "rendered", "rain": RAIN, "seed": 1, "renders": 1, "tile": 48, "tiles": 1,
              "train": ["rocket.jpg"], "validation": ["coffee.png"], "test": ["chelsea.png"]},
        "b": {"layout": "rendered", "rain": RAIN, "renders": 1, "tile": 48, "tiles": 1},
        "c": {"layout": "folders", "root": "images", "train": PLACE, "validation": None, "test": None,
              "validation_share": 0.2, "validation_list": None, "test_share": 0.2, "test_list": None, "seed": 3,
              "clean": None, "exclude": ["*.txt"], "small_images": "reflect", "pack": False},
        "d": {"layout": "real", "root": "images", "test": {"rainy": "{scene}_0.png"}},
        "e": {"layout": "rendered", "root": "images", "rain": [RAIN, RAIN], "validation_share": 0.2,
              "validation_list": None, "test_share": 0.2, "test_list": None, "exclude": ["*.txt"],
              "small_images": "reflect"},
        "f": {"layout": "rendered", "rain": {"layers_of": "e"}},
    },
    "on_leakage": "warn",
    "stage_store": "store",
    "networks": {
        "n": {"backbone": "prenet", "stages": 1, "channels": 8, "blocks": 1, "lstm": False, "shared_block": True},
        "f": {"backbone": "nafnet", "width": 4, "encoder": [1, 2], "middle": 1, "decoder": [2, 1]},
        "r": {"backbone": "restormer", "width": 4, "blocks": [1, 1, 2, 1], "refinement": 1, "heads": [1, 2, 2, 4],
              "expansion": 2},
        "g": {"backbone": "prenet", "initial_weights": "weights", "evaluate_only": True, "scored_on": ["a", "d"]},
        "o": {"backbone": "own.py:Network", "options": {"channels": 4, "more": [1, {"x": None}]}},
    },
    "training": {"steps": 10, "batch": 4, "patch": 32, "loss": "l1", "optimizer": "sgd", "learning_rate": 0.1,
                 "schedule": "constant", "warmup": 0, "threads": 1, "parts": 2, "precision": "bfloat16", "devices": 2,
                 "workers": 1, "log_every": 5, "validate_every": 5, "checkpoint_every": 1.5, "tensorboard": True},
    "importances": {"i": {"of": "output", "power": "squared", "per": "batch", "patches": 8, "shards": 2}},
    "intensities": {"t": {"patches": 8}},
    "memories": {"m": {"keep": "rain", "patches": 4, "patch": 16, "select": "kmeans"}},
    "methods": {
        "finetune": {},
        "all": None,
        "nr": {"penalty": {"form": "absolute", "strength": 1, "normalisation": "none", "importance": "i",
                           "accumulation": "exponential", "alpha": 0.3},
               "distillation": {"strength": 0.5, "loss": "mse", "rain": [0.5, 2]},
               "memory": {"name": "m", "share": 0.5, "vary": ["shift", "mix"]},
               "search": {"scales": [3, 0.3], "give_up": 0.2}},
        "as_old": {"distillation": {"strength": 1, "intensity": "t"}},
        "mixed": {"blend": {"alphas": [0.3, 0.7], "give_up": 0.2}},
        "fixed": {"blend": {"alpha": 0.5}},
    },
    "joint": {"steps_per_dataset": 10, "prefixes": True},
    "evaluation": {"datasets": ["d"], "rounding": ["nearest", "none"], "split": True, "previews": 1,
                   "theory_patches": 2, "chord": [0.25, 0.5], "chord_of": "all", "chord_importance": "i"},
    "photographs": {"files": ["images", "images/1*.png", "own.py"], "methods": ["nr"], "memory": "500M"},
}  # fmt: skip
OWN, NETWORK = (
    "own.py",
    """from torch import nn

class Network(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, rainy):
        return rainy + self.conv(rainy).float()
""",
)
del FULL["methods"]["all"]  # a reserved name

NAMES = [
    "", " ", ".", "..", "a/b", "a+b", "a>b", "A", "N", "NR", "Finetune", "first", "Joint", "given", "all", "individual",
    "scores", "previews", "parts", "theta.safetensors", "training.csv", "origin.json", "x" * 250, "x" * 5000, "é", "雨",
    "a\nb", "\x1b[31m", "\ud800", "{scene}", "nan", "null", "-n", "~", "con", "a.", "a b", "$HOME", "*", "1e3", "0x1",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 7, 10**6, 2**31, 2**63, 2**64, 10**30, 10**400, 0.0, 0.5, -0.0, 1.0, 1e-320,
    1e308, float("inf"), float("-inf"), float("nan"), "", [], {}, [[]], [None], {"a": 1}, [1, 2], [2, 1], [0.1, 0.1],
    ["a"], ["a", "a"], [["a", "b"], ["b", "a"]], {"datasets": ["a", "b"], "choose": "all"}, "~", "~nobody/x", "/", ".",
    "/nowhere/x", "/dev/null", "images", "a\0b", "../..", "none", "off", "yes", "norain", "left", "all", "loss", "real",
    b"bytes", {1: 2}, {None: 3}, {True: {}}, {"strength": 1}, [10**9] * 3, list(range(300)), *NAMES,
]  # fmt: skip
TOKENS = [
    "yes", "on", "No", "010", "0o17", "0x1F", "1_000", "1e3", "1.5e3", "10:00", "2024-01-01", "~", "null", ".inf",
    ".nan", "-.Inf", "1.0e+400", "!!set {a, b}", "!!binary aGk=", "!!python/tuple [1, 2]", "!!python/name:os.system",
    "!!str 3", "!!float 3", "!!int 010", "!x y", "&a [1]", "*a", "&r {r: *r}", "<<", "=", "[", "]", "{", "}", ": ", "#",
    "'", '"', "|", ">", "%", "@", "`", "\t", "\x07", "\ufeff", "---", "...", "? x", "- ", "[" * 150, "9" * 5000,
    "{a: 1, a: 2}", "{a: 1, 'a': 2}", "<<: {a: 1}", "__use_yte__: false", '"\\ud800"', '"\\0"', "{[a]: 1}",
    "{? {} : 1}", "&x [a]\nz: [*x, *x]",
]  # fmt: skip


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a tree of sections and lists."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield (*path, key)
        yield from places(value, (*path, key))


def mutate_tree(tree: Any, rng: random.Random) -> None:
    """Change one thing in place."""
    found = list(places(tree))
    if not found:
        return
    *parents, last = rng.choice(found)
    section = tree
    for key in parents:
        section = section[key]
    value = section[last]
    other = tree
    for key in rng.choice(found):
        other = other[key]
    match rng.randrange(9):
        case 0 | 1 | 2:
            section[last] = copy.deepcopy(rng.choice(VALUES))
        case 3:
            del section[last]
        case 4 if isinstance(section, dict):
            name = str(last)
            section[rng.choice([*NAMES, 3, None, True, 1.5, name.upper(), f"{name}s", name[1:]])] = section.pop(last)
        case 5:
            section[last] = copy.deepcopy(other)
        case 6:
            section[last] = rng.choice([[value], {"x": value}, str(value)])
        case 7 if isinstance(value, int | float):
            beside = value + 0.5 if abs(value) < 1e15 else value + 1  # an integer may be too large for a float
            section[last] = rng.choice([-value, value * 1000, beside, str(value), bool(value)])
        case _ if isinstance(section, dict):
            section[rng.choice([*NAMES, *(str(part) for place in found for part in place[-1:])])] = copy.deepcopy(value)
        case _:
            section.insert(rng.randrange(len(section) + 1), copy.deepcopy(rng.choice([value, other])))


def mutate_text(text: str, rng: random.Random) -> str:
    """The text with one thing changed."""
    lines = text.split("\n")
    n, m = rng.randrange(len(lines)), rng.randrange(len(lines))
    words = lines[n].split(" ")
    at = rng.randrange(len(text) + 1)
    match rng.randrange(8):
        case 0:
            del lines[n]
        case 1:
            lines.insert(m, lines[n])
        case 2:
            lines[n], lines[m] = lines[m], lines[n]
        case 3:
            lines[n] = " " * rng.randrange(1, 4) + lines[n]
        case 4 | 5:
            words[rng.randrange(len(words))] = rng.choice(TOKENS)
            lines[n] = " ".join(words)
        case 6:
            return text[:at] + rng.choice(TOKENS) + text[at + rng.randrange(3) :]
        case _:
            return text[:at] + text[at + rng.randrange(1, 40) :]
    return "\n".join(lines)


def mutation(number: int, seed: int, bases: list[str]) -> str:
    """The text of a damaged config."""
    rng = random.Random(f"{seed} {number}")
    text = bases[number % len(bases)]
    if rng.random() < 0.7:
        tree = yaml.safe_load(text)
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            mutate_tree(tree, rng)
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    for _ in range(rng.choice([1, 1, 2])):
        text = mutate_text(text, rng)
    return text


def plan_all(text: str) -> None:
    """Read a config and ask for all that the rules ask for."""
    plan = Plan(read_experiment(load(text, "config.yaml")))
    page = PagePlan(plan)
    _ = [artifact.key for artifact in plan.made.values()], plan.costly(), plan.stage_table, plan.old_data_bytes
    _ = page.comparisons, [plan.restoration.recipe(SimpleNamespace(stage=each.path)) for each in plan.restoring]
    _ = page.content, page.figures, page.table_files, [page.stages_of(table) for table in page.tables]


def outcome(text: str, act: Callable[[str], None] = plan_all) -> tuple[str, str]:
    """("accepted" | "refused" | "FAULT", what was said)."""

    def too_long(*_: object) -> None:
        raise TimeoutError(f"no end in {LIMIT} s")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LIMIT)
    try:
        act(text)
    except UserError as error:
        lines = str(error).splitlines()
        bad = [line for line in lines if not line.isprintable() or len(line) > 1000]
        return ("FAULT", f"lines that cannot be read: {bad[:3]!r}") if bad or not lines else ("refused", str(error))
    except BaseException:
        return "FAULT", traceback.format_exc()
    finally:
        signal.alarm(0)
    return "accepted", ""


def prepare(folder: Path) -> list[str]:
    """The files that FULL names, and the texts that are mutated."""
    import torch
    from derain.networks.prenet import Network
    from PIL import Image
    from safetensors.torch import save_file

    (folder / "images").mkdir()
    rng = random.Random(0)
    for scene in range(10):
        for name in (f"{scene}.png", f"{scene}_0.png"):
            Image.frombytes("RGB", (40, 40), rng.randbytes(4800)).save(folder / "images" / name)
    torch.manual_seed(0)
    save_file(Network().state_dict(), folder / "weights")
    (folder / OWN).write_text(NETWORK, encoding="utf-8")
    return [(REPOSITORY / "config.yaml").read_text(encoding="utf-8"), yaml.safe_dump(FULL, sort_keys=False)]


def snakemake(text: str, folder: Path, number: int) -> tuple[str, str]:
    """What `snakemake -n` makes of a config, in a folder of its own."""
    place = folder / str(number)
    place.mkdir()
    for name in ("images", "weights", OWN):
        (place / name).symlink_to(folder / name)
    (place / "c.yaml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "-s", str(REPOSITORY / "Snakefile")]
    try:
        ran = subprocess.run(
            [*command, "--configfile", "c.yaml"], cwd=place, capture_output=True, text=True, timeout=PLAN_LIMIT
        )
    except subprocess.TimeoutExpired:
        return "FAULT", f"no end in {PLAN_LIMIT} s"
    said = ran.stdout + ran.stderr
    if ran.returncode == 0:
        return "planned", ""
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    return ("refused by its data", errors[0]) if errors and "Traceback" not in said else ("FAULT", said[-3000:])


def main() -> None:
    """Run the mutations, and print how many ended how."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plan", type=int, default=0, help="accepted configs that snakemake -n is to plan")
    parser.add_argument("--jobs", type=int, default=2, help="that many at once")
    parser.add_argument("--only", type=int, help="print this mutation and what it ends in")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bases = prepare(folder)
        numbers = range(arguments.count) if arguments.only is None else [arguments.only]
        texts = {n: mutation(n, arguments.seed, bases) for n in numbers}
        with chdir(folder):
            assert [outcome(base)[0] for base in bases] == ["accepted"] * 2, [outcome(base) for base in bases]
            ended = {n: outcome(text) for n, text in texts.items()}
        if arguments.only is not None:
            print(texts[arguments.only], *ended[arguments.only], sep="\n")
        print(f"read: {dict(Counter(how for how, _ in ended.values()))}")
        accepted = [n for n, (how, _) in ended.items() if how == "accepted" and texts[n] not in bases]
        chosen = random.Random(arguments.seed).sample(accepted, min(arguments.plan, len(accepted)))
        with ThreadPoolExecutor(arguments.jobs) as pool:
            planned = dict(zip(chosen, pool.map(lambda n: snakemake(texts[n], folder, n), chosen), strict=True))
        if chosen:
            print(f"snakemake -n: {dict(Counter(how for how, _ in planned.values()))}")
        faults = [(n, said) for found in (ended, planned) for n, (how, said) in found.items() if how == "FAULT"]
    for n, said in faults:
        print(f"--- mutation {n}\n{said}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
