"""A published network learns new rain: python benchmarks/published_sequence/run.py DATA RUN [OPTIONS]

The authors' PReNet for Rain100H learns light rain, and their PReNet for Rain100L learns heavy rain; both new rains are
rendered on the test photographs of BSDS500. DATA: see benchmarks/study/prepare.py, and published-weights/ and
Rain200H_train20_JORDERE/. RUN gets the pairs, the configs and the results; a second run goes on where the first ended.

First, fine-tuning is trained at the authors' rate and at lower ones, each a third of the one before, until a rate has
less on the validation pairs of the new rain than the one before, which is then the chosen one. At this rate every
method is trained, and fine-tuning also at the authors' rate. The strengths are those of benchmarks/study, which were
chosen on its development sequence, never on these images.

Prints a table for each direction (PSNR on Y, dB) and, with the default methods, whether what was asked holds; ends with
status 1 where it does not.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import REPOSITORY, print_in_any_locale

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "study"))
from derain.data.rain import Rain
from derain.evaluation.reading import read_table
from prepare import RAINS, groups_of_copies, link, render

AUTHORS = 1e-3  # learning rate of PReNet's authors
RATES = "1e-3,3e-4,1e-4,3e-5,1e-5"
# Rain200H_train20_JORDERE has two pairs with backgrounds of the test set.
LEAKS = ("norain-1", "norain-10")
MEMORY_SHARE = 0.25
SIDES = {"rainy": "{}/rain/{{scene}}.*", "clean": "{}/norain/{{scene}}.*"}
METRIC = "psnr_y_db"
ADDED = {"memory": {"name": "rain", "share": 0.5, "places": "add"}}
# The strength was chosen on other pairs (docs/explanation/published-network.md).
AS_OLD = {"distillation": {"strength": 6, "intensity": "rain"}}
METHODS: dict[str, dict[str, Any]] = {
    "finetune": {},
    "lwf": {"distillation": {"strength": 0.5}},
    "nr": {
        "penalty": {"importance": "gradient", "strength": 0.1},
        "distillation": {"strength": 0.5, "rain": [0.2, 5]},
    },
    "rain": {"memory": {"name": "rain", "share": MEMORY_SHARE}},
    "nr_memory": {
        "penalty": {"importance": "gradient", "strength": 0.03},
        "distillation": {"strength": 0.1, "rain": [0.2, 5]},
        "memory": {"name": "rain", "share": MEMORY_SHARE},
    },
    "added": ADDED,
    "as_old": AS_OLD,
    "as_old_added": {**AS_OLD, **ADDED},
    "as_old_blend": {**AS_OLD, **ADDED, "blend": {}},
}
JUDGED = "finetune,lwf,nr,rain,nr_memory"


@dataclass(frozen=True)
class Direction:
    """learned: the dataset that the weights have learned; new: the rendered one; unseen: scored only."""

    weights: str
    learned: str
    new: str
    unseen: str

    @property
    def name(self) -> str:
        """Name of the folders of this direction."""
        return f"{self.learned}-{self.new}"


DIRECTIONS = (
    Direction("Rain100H-PReNet6.pth", "rain100h", "light", "rain100l"),
    Direction("Rain100L-PReNet6.pth", "rain100l", "heavy", "rain100h"),
)
NEW = {"light": [Rain((-30, 30), (20, 40), 1.5, 0.0012, (0.25, 0.6))], "heavy": RAINS["dense"]}


def prepare(data: Path, out: Path, images: int) -> None:
    """Write the pairs. images: number of test pairs of each dataset."""
    every = {n: data / f"Rain100H_test/norain/norain-{n}.png" for n in range(1, 101)}
    clean = {n: file for n, file in every.items() if file.exists()}  # of benchmarks/gpu/pack.py a part
    unique = sorted(set(groups_of_copies(clean).values()))
    for n in clean:
        _link_both(data, out, n, "all")
    for n in unique[:images]:
        _link_both(data, out, n, "test")
    for n in unique[-20:]:  # of rain100l only; rain100h has pairs of its training set
        for side in ("rain", "norain"):
            link(data / f"Rain100L_test/{side}/{n}.png", out / f"rain100l/train/{side}/{n}.png")
    for file in sorted((data / "Rain200H_train20_JORDERE/norain").iterdir()):
        if file.stem not in LEAKS:
            link(file, out / f"rain100h/train/norain/{file.name}")
            link(file.parents[1] / f"rain/{file.name}", out / f"rain100h/train/rain/{file.name}")
    photographs = sorted((data / "BSDS500_test").glob("*.jpg"))
    splits = {"train": photographs[:150], "validation": photographs[150:160], "test": photographs[-images:]}
    for name, rains in NEW.items():
        for split, files in splits.items():
            for n, photograph in enumerate(files):
                if not (out / name / split / "norain" / f"{photograph.stem}.png").exists():
                    render(photograph, out / name / split, rains, (("train", "validation", "test").index(split), n))


def _link_both(data: Path, out: Path, n: int, split: str) -> None:
    for side in ("rain", "norain"):
        link(data / f"Rain100H_test/{side}/norain-{n}.png", out / f"rain100h/{split}/{side}/{n}.png")
        link(data / f"Rain100L_test/{side}/{n}.png", out / f"rain100l/{split}/{side}/{n}.png")


def whole(direction: Direction, asked: argparse.Namespace) -> dict[str, Any]:
    """The config that scores the untouched weights on all published test pairs."""
    network = _given(direction, asked) | {"evaluate_only": True}
    return {
        "device": asked.device,
        "datasets": {"whole": _pairs(asked.run, direction.learned, test="all")},
        "networks": {"untouched": network},
        "evaluation": {"datasets": ["whole"], "previews": 1},
    }


def sequence(direction: Direction, asked: argparse.Namespace, rate: float) -> dict[str, Any]:
    """The config of a direction at a learning rate."""
    return {
        "device": asked.device,
        "orders": [[direction.learned, direction.new]],
        "stage_store": str((asked.run / "store").absolute()),
        "datasets": {
            direction.learned: _pairs(asked.run, direction.learned, train="train", test="test"),
            direction.new: _pairs(asked.run, direction.new, train="train", validation="validation", test="test"),
            direction.unseen: _pairs(asked.run, direction.unseen, test="test"),
        },
        "networks": {"prenet": _given(direction, asked) | {"learned": [direction.learned]}},
        "training": {
            "steps": asked.steps, "batch": asked.batch, "patch": asked.patch, "learning_rate": rate,
            "validate_every": asked.steps, "log_every": 10, "precision": asked.precision, "loss": asked.loss,
        },
        "importances": {"gradient": {"patches": 72}},
        "intensities": {"rain": {}},
        "memories": {"rain": {"patches": 64}},
        "methods": {name: METHODS[name] for name in asked.methods.split(",")},
        "evaluation": {"datasets": [direction.unseen], "previews": 1},
    }  # fmt: skip


def _given(direction: Direction, asked: argparse.Namespace) -> dict[str, Any]:
    weights = asked.data / "published-weights" / direction.weights
    return {"backbone": "prenet", "initial_weights": str(weights.absolute())}


def _pairs(run: Path, name: str, **folders: str) -> dict[str, Any]:
    """The section of a dataset, with the folder of each split."""
    places = {
        split: {side: pattern.format(folder) for side, pattern in SIDES.items()} for split, folder in folders.items()
    }
    return {"layout": "folders", "root": str((run / "pairs" / name).absolute()), **places}


def snakemake(folder: Path, config: dict[str, Any], cores: str, *targets: str) -> None:
    """Run the workflow in a folder, for all targets or for these."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", cores]
    command += [
        "--directory",
        str(folder),
        "--configfile",
        str(file),
        "--rerun-incomplete",
        *(targets and ("--", *targets)),
    ]
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
        sys.exit(f"{folder}: the workflow failed")


def matrix_rows(folder: Path, method: str, stage: int) -> dict[str, float]:
    """PSNR on Y by dataset, of a method at a stage; the tables of a finished experiment."""
    matrix = read_table(folder / "results/tables/matrix.csv")
    rows = matrix[(matrix["method"] == method) & (matrix["stage"] == stage)]
    return dict(zip(rows["dataset"], rows[METRIC], strict=True))


def scores_of(file: Path) -> dict[str, float]:
    """PSNR on Y by dataset, of one stage; its score file."""
    return read_table(file).groupby("dataset")[METRIC].mean().to_dict()


def run(direction: Direction, asked: argparse.Namespace) -> bool:
    """Train, score and judge a direction; whether all holds."""
    stage = f"results/stages/prenet/seed0/finetune/{direction.learned}/{direction.new}"
    validated = {}
    for rate in map(float, asked.rates.split(",")):
        folder = asked.run / direction.name / f"rate-{rate:g}"
        snakemake(folder, sequence(direction, asked, rate), asked.cores, f"{stage}/theta.safetensors")
        table = read_table(folder / stage / "training.csv")
        validated[rate] = float(table["validation_psnr_rgb_db"].dropna().iloc[-1])
        if validated[rate] < max(validated.values()):
            break
    chosen = max(validated, key=lambda rate: validated[rate])
    if chosen != AUTHORS:
        authors = asked.run / direction.name / f"rate-{AUTHORS:g}"
        snakemake(authors, sequence(direction, asked, AUTHORS), asked.cores, f"{stage}/scores/all.csv")
    folder = asked.run / direction.name / f"rate-{chosen:g}"
    targets = ["summarise"] if asked.tables else []
    snakemake(folder, sequence(direction, asked, chosen), asked.cores, *targets)
    snakemake(asked.run / direction.name / "untouched", whole(direction, asked), asked.cores, *targets)

    rows = {"untouched": matrix_rows(folder, "finetune", 1)}
    if chosen != AUTHORS:
        rows[f"finetune, rate {AUTHORS:g}"] = scores_of(authors / stage / "scores/all.csv")
    rows |= {f"{method}, rate {chosen:g}": matrix_rows(folder, method, 2) for method in asked.methods.split(",")}
    datasets = (direction.learned, direction.new, direction.unseen)
    (all_pairs,) = matrix_rows(asked.run / direction.name / "untouched", "given", 0).values()
    rates = ", ".join(f"{rate:g}: {value:.2f}" for rate, value in validated.items())
    print(f"\n{direction.weights} on all its published test pairs: {all_pairs:.2f} dB")
    print(f"validation PSNR (RGB) of {direction.new} after fine-tuning, by rate: {rates}\n")
    print(f"| {asked.steps} steps of {asked.batch} patches of {asked.patch}² | {' | '.join(datasets)} (never seen) |")
    print("|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {' | '.join(f'{row[dataset]:.2f}' for dataset in datasets)} |")
    return not {*JUDGED.split(",")} <= {*asked.methods.split(",")} or judged(direction, rows, chosen)


def judged(direction: Direction, rows: dict[str, dict[str, float]], chosen: float) -> bool:
    """Print what was asked and whether it holds."""
    old, new = direction.learned, direction.new
    tuned = {name: row for name, row in rows.items() if name.startswith("finetune")}
    best = max(row[new] for row in tuned.values())
    nr, with_memory = (rows[f"{method}, rate {chosen:g}"] for method in ("nr", "nr_memory"))
    asked = {
        f"nr keeps more of {old} than fine-tuning": nr[old] - max(row[old] for row in tuned.values()),
        f"nr on {new}, from the better fine-tuning (≥ −0.5)": nr[new] - best + 0.5,
        f"nr_memory on {old}, from the published score (≥ −1)": with_memory[old] - rows["untouched"][old] + 1,
        f"nr_memory on {new}, from the better fine-tuning (≥ −2)": with_memory[new] - best + 2,
    }
    print()
    for question, margin in asked.items():
        sign = "−" if margin < 0 else "+"
        print(f"{'holds' if margin >= 0 else 'FAILS'} {question}: margin {sign}{abs(margin):.2f} dB")
    return all(margin >= 0 for margin in asked.values())


def main() -> None:
    """Prepare, run, print."""
    print_in_any_locale()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=4, help="patches a step; the published recipe has 18")
    parser.add_argument("--patch", type=int, default=64, help="side of a patch; the published recipe has 100")
    parser.add_argument("--images", type=int, default=25, help="test pairs of each dataset")
    parser.add_argument("--directions", default=",".join(each.name for each in DIRECTIONS), help="with commas")
    parser.add_argument("--loss", default="negative_ssim", help="of the training; default: %(default)s")
    parser.add_argument("--methods", default=JUDGED, help=f"with commas, of {', '.join(METHODS)}; default: %(default)s")
    parser.add_argument("--rates", default=RATES, help="to try, with commas; default: %(default)s")
    parser.add_argument("--precision", default="float32", choices=("float32", "tfloat32", "bfloat16"))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--cores", default="all")
    parser.add_argument("--tables", action="store_true", help="make no pages and no figures")
    asked = parser.parse_args()
    prepare(asked.data, asked.run / "pairs", asked.images)
    held = [run(direction, asked) for direction in DIRECTIONS if direction.name in asked.directions.split(",")]
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
