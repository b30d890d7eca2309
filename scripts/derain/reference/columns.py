"""The columns of every CSV table in results/, in one file, and docs/reference/tables.md, the reference of all of them.

`COLUMNS` describes each name once; `own` of a table describes the names that mean something else there. A new column or
table needs a line here: tests/workflow/test_larger.py compares with the tables of a run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from inspect import getdoc

from derain.data.findings import Finding
from derain.data.samples import Sample
from derain.data.store import Row
from derain.evaluation import continual
from derain.evaluation.chord import COLUMNS as CHORD
from derain.evaluation.continual import QUANTITIES
from derain.evaluation.metrics import METRICS
from derain.evaluation.scores import COLUMNS as SCORES
from derain.evaluation.scores import RAINY_COLUMNS
from derain.run.cost import COLUMNS as COSTS


@dataclass(frozen=True)
class Column:
    """unit: of numbers, "" for none; values: range of a number, or the values of a text."""

    meaning: str
    unit: str = ""
    values: str = ""


@dataclass(frozen=True)
class Described:
    """A table. file: below results/ (tables/ of an experiment with a name: below results/NAME/), as a pattern in which
    PART, DATASET ... stand for names; rows: what a row is; columns: in their order, in which the optional ones may
    stand elsewhere; optional: those that only some experiments have, with the reason; own: columns that mean something
    else here.
    """

    file: str
    rows: str
    columns: tuple[str, ...]
    optional: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, Column] = field(default_factory=dict)

    def column(self, name: str) -> Column:
        """The description of one of the columns."""
        return self.own.get(name) or COLUMNS[name]


def _first_paragraph(function: Callable[..., object]) -> str:
    text = " ".join((getdoc(function) or "").partition("\n\n")[0].split()).replace("NaN", "empty").rstrip(".")
    return text.replace("Mean", "mean", 1) if text.startswith("Mean") else text


DB = "dB"
PSNR, SSIM = "≥ 0", "−1 to 1"
PSNR_IN_MEANS = "0 to 100"
OF_METRIC = "that of `metric`"

MEANINGS = {
    "psnr_y_db": ("PSNR on Y of BT.601, peak 255", DB, PSNR),
    "ssim_y": ("SSIM on Y", "", SSIM),
    "psnr_rgb_db": ("PSNR on RGB, the error pooled over the channels, peak 255", DB, PSNR),
    "ssim_rgb": ("SSIM on RGB, mean over the channels", "", SSIM),
}


def _scores(prefix: str = "", suffix: str = "", of: str = "", most: str = PSNR) -> dict[str, Column]:
    """Columns of the four scores. of: what begins the meaning of each; most: values of PSNR."""
    return {
        f"{prefix}{name}{suffix}": Column(f"{of}{text}", unit, most if unit == DB else values)
        for name, (text, unit, values) in MEANINGS.items()
    }


COLUMNS = {
    # the stage
    "network": Column("name of the network in `networks`"),
    "seed": Column("seed of the run", values="one of `seeds`"),
    "method": Column("method of the stage, as in its path: a name in `methods`, `first`, `joint` or `given`"),
    "datasets": Column(
        "datasets that the stage was trained on, joined by `>` in the order of training, sorted for "
        "`joint`; `-` for none"
    ),
    "dataset": Column("name of the dataset that is scored, in `datasets`"),
    "image": Column("name of the test pair, unique in its dataset"),
    "images": Column("test images in the means: those with a clean partner", values="≥ 1"),
    "rounding": Column("how outputs were rounded before they were scored", values="one of `evaluation.rounding`"),
    "order": Column("order of datasets, joined by `>`; `-` for a given network"),
    "stage": Column("number of datasets learned so far", values="≥ 1; 0: given network"),
    "learned": Column("dataset that the stage learned last; `-` for a given network"),
    # scores
    **_scores(),
    **_scores(suffix="_rainy", of="of the rainy image itself: "),
    **_scores(prefix="rainy_", of="b, mean over the rainy test images: ", most=PSNR_IN_MEANS),
    **{
        f"gain_{name}": Column(
            f"normalised gain (R − b)/(R_individual − b) of `{name}`: 0 is the rainy input, 1 the "
            f"network of this dataset "
            "alone; empty where that network gains nothing",
            values="any, higher is better",
        )
        for name in METRICS
    },
    # continual-learning metrics
    "metric": Column("score that the row is about", values="a score, or its normalised gain `gain_…`"),
    "average": Column(_first_paragraph(continual.average), OF_METRIC, "higher is better"),
    "new_task_gain": Column(
        _first_paragraph(continual.new_task_gain), OF_METRIC, "> 0: better than the rainy input; higher is better"
    ),
    "bwt": Column(
        _first_paragraph(continual.backward_transfer),
        OF_METRIC,
        "< 0: earlier datasets lost, > 0: they gained; higher is better",
    ),
    "fwt": Column(
        _first_paragraph(continual.forward_transfer),
        OF_METRIC,
        "> 0: earlier datasets help a dataset that is not yet learned; higher is better",
    ),
    "forgetting": Column(
        _first_paragraph(continual.forgetting),
        OF_METRIC,
        "> 0: lost since the best earlier stage, < 0: gained; lower is better",
    ),
    **{
        f"intransigence_{name}": Column(
            f"{_first_paragraph(continual.intransigence)}; reference: {what}",
            OF_METRIC,
            "> 0: worse than the reference, < 0: better; lower is better",
        )
        for name, what in {
            "individual": "the network of each dataset alone",
            "joint": "the joint network of the datasets up to each one where it is trained, else of the whole order",
        }.items()
    },
    "old_data_bytes": Column(
        "bytes stored of earlier datasets while the last dataset is learned: memories and rain intensities, but not Ω; "
        "empty for `joint`, which sees all data",
        "bytes",
        "≥ 0",
    ),
    "quantity": Column("continual-learning metric of the row", values=", ".join(f"`{name}`" for name in QUANTITIES)),
    "mean": Column("mean over orders and seeds", OF_METRIC),
    "std": Column(
        "standard deviation over seeds (n − 1) of the mean over orders; empty for one seed", OF_METRIC, "≥ 0"
    ),
    "worst": Column(
        "worst order, mean over seeds: the lowest; of forgetting and intransigence the highest",
        OF_METRIC,
    ),
    "worst_order": Column("the order of `worst`"),
    # trainings
    "step": Column("optimiser steps so far", "steps", "1 to the steps of the stage"),
    "reconstruction": Column(
        "training loss L, mean over the batch", "that of `training.loss`", "`negative_ssim`: −1 to 1"
    ),
    "penalty": Column(
        "penalty as it enters the loss, λ·P; 0 where training starts; with `loss_units` it has the unit of L",
        values="≥ 0",
    ),
    "distillation": Column(
        "distillation as it enters the loss, β·D", "that of `distillation.loss`", "`negative_ssim`: −β to β"
    ),
    "validation_psnr_rgb_db": Column(
        "PSNR on RGB, mean over the validation pairs; empty where not measured", DB, PSNR_IN_MEANS
    ),
    "learning_rate": Column("learning rate of the step", values="≥ 0"),
    "images_per_second": Column("steps so far × `training.batch`, per second of training", "1/s", "≥ 0"),
    "seconds": Column("time of training up to this step; after a resume, without the time in between", "s", "≥ 0"),
    # strengths
    "scale": Column("factor of all strengths of the method in this candidate", values="≥ 0; 0: without any strength"),
    "relative_move": Column("‖θ − θⁿ‖/‖θⁿ‖ from the start to the end of the stage", values="≥ 0"),
    "chosen": Column("whether the stage adopted this candidate", values="`True`, `False`"),
    "bound": Column(
        "first-order bound on the change of the loss, Σ Ω|Δ| with Ω = E|∂L/∂θ| at θⁿ", "that of `training.loss`", "≥ 0"
    ),
    # Ω
    "importance": Column("kind of Ω, a name in `importances`"),
    "layer": Column("layer: the tensors that share a name up to the last dot"),
    "weights": Column("weights of the layer", values="≥ 1"),
    "log10_low": Column("lower edge of the bin of log10 Ω; the lowest bin also holds Ω = 0", values="−10 to 1.75"),
    "log10_high": Column("upper edge of the bin", values="−9.75 to 2"),
    "share": Column("share of the weights in the bin", values="> 0, ≤ 1"),
    "earlier": Column("earlier dataset of the same path"),
    "overlap": Column(
        "share of the most important tenth of the weights for `earlier` that is also in that of the "
        "stage's own dataset",
        values="0 to 1; about 0.1 by chance",
    ),
    # the theory
    "loss_then": Column(
        "mean training loss on patches of `dataset` at θⁿ, when it had just been learned", "that of `training.loss`"
    ),
    "loss_now": Column("the same at θ of this stage", "that of `training.loss`"),
    "change": Column("`loss_now` − `loss_then`", "that of `training.loss`", "> 0: the loss rose"),
    "first_order": Column(
        "first-order estimate of `change`, ∇L(θⁿ)ᵀΔ with Δ = θ − θⁿ", "that of `training.loss`", "−`bound` to `bound`"
    ),
    "predictor": Column("what is compared with the change", values="`first_order`, `bound`"),
    "n": Column("pairs of a stage and an earlier dataset", values="≥ 1"),
    "pearson": Column("Pearson's correlation of abs(change) and abs(predictor); empty for n < 3", values="−1 to 1"),
    "spearman": Column("Spearman's correlation of the same; empty for n < 3", values="−1 to 1"),
    "ratio": Column("median of abs(predictor)/abs(change)", values="≥ 0"),
    # the chord
    "alpha": Column("α, share of θⁿ⁺¹ in the blend; 0: the stage before, 1: the stage itself", values="0 to 1"),
    "line": Column("whether the blend is on the chord: a plain blend of fine-tuning", values="`True`, `False`"),
    **_scores(prefix="old_", of="mean over the datasets learned before: ", most=PSNR_IN_MEANS),
    **_scores(prefix="new_", of="of the dataset that the stage learned: ", most=PSNR_IN_MEANS),
    # datasets
    "split": Column("split of the pair", values="`train`, `validation`, `test`"),
    "scene": Column("name that the pairs of one clean background share; no split divides a scene"),
    "name": Column("name of the pair, unique in its dataset"),
    "rainy": Column("file of the rainy image below `root`; empty where rain is rendered"),
    "half": Column("clean half of a file that holds both images; else empty", values="`left`, `right`"),
    "recipe": Column("how rain is rendered, and the digests of that code, as JSON; else empty"),
    "height": Column("height of the upright image", "pixels", "≥ 11"),
    "width": Column("width of the upright image", "pixels", "≥ 11"),
    "rainy_sha256": Column("SHA-256 of the decoded pixels of the rainy image"),
    "clean_sha256": Column(
        "SHA-256 of the decoded pixels of the clean image; of the whole photograph where rain is rendered"
    ),
    "offset": Column("place of the rainy image in `pixels.bin`; −1 where the dataset is not packed", "bytes", "≥ −1"),
    "clean_offset": Column("the same of the clean image; −1 also where there is none", "bytes", "≥ −1"),
    "sha256": Column("SHA-256 over the digests of both images of the pair"),
    "rainy_file": Column("file of the rainy image where the dataset is not packed; else empty"),
    "clean_file": Column("file of the clean image where the dataset is not packed; else empty"),
    "severity": Column(
        "error: no job runs before it is mended; warning: scores may mislead; notice: handled as the "
        "text says; summary: "
        "counts, sizes and scores of a split",
        values="`error`, `warning`, `notice`, `summary`",
    ),
    "file": Column("file that the finding is about, below `root`; may be empty"),
    "text": Column("what is wrong, and what was expected"),
    # cost
    "rule": Column("rule of the workflow"),
    "jobs": Column("measured jobs of the rule", values="≥ 1"),
    "cpu_seconds": Column("CPU time of all jobs; empty where no job was sampled", "s", "≥ 0"),
    "max_rss_mib": Column(
        "largest memory of one job with all its processes; empty where no job was sampled", "MiB", "≥ 0"
    ),
}

STAGE = ("network", "seed", "method", "datasets")
# `memory` adds no term to the loss.
TERMS = {
    "penalty": "where a method has a penalty in the loss",
    "distillation": "where a method has a distillation",
}
TRAINING = (
    *("step", "reconstruction", *TERMS),
    *("psnr_rgb_db", "validation_psnr_rgb_db", "learning_rate", "images_per_second", "seconds"),
)
OF_BATCH = {
    "psnr_rgb_db": Column("PSNR on RGB of the batch before the step, outputs clamped to [0, 1]", DB, PSNR_IN_MEANS)
}
STRENGTH = ("scale", "validation_psnr_rgb_db", "relative_move", "bound", "rainy_psnr_rgb_db", "chosen")
OF_CANDIDATE = {
    "rainy_psnr_rgb_db": Column("PSNR on RGB of the rainy validation images themselves, mean", DB, PSNR_IN_MEANS),
    "validation_psnr_rgb_db": Column(
        "PSNR on RGB at the end of the candidate's training, mean over the new dataset's validation pairs",
        DB,
        PSNR_IN_MEANS,
    ),
    "bound": Column("Σ Ω̄|θ − θⁿ|; empty without Ω̄", "that of Ω̄ × weight", "≥ 0"),
}
BLEND = ("alpha", "validation_psnr_rgb_db", "relative_move", "rainy_psnr_rgb_db", "chosen")
OF_BLEND = {
    "alpha": Column("α, share of the training in the blend; 1: the training itself", values="> 0, ≤ 1"),
    "rainy_psnr_rgb_db": Column("PSNR on RGB of the rainy validation images themselves, mean", DB, PSNR_IN_MEANS),
    "validation_psnr_rgb_db": Column(
        "PSNR on RGB of the blend, mean over the new dataset's validation pairs", DB, PSNR_IN_MEANS
    ),
    "relative_move": Column("‖θ − θⁿ‖/‖θⁿ‖ from the start of the stage to the blend", values="≥ 0"),
    "chosen": Column("whether the blend is θ of the stage", values="`True`, `False`"),
}
THEORY = ("dataset", "loss_then", "loss_now", "change", "first_order", "bound")
OF_EARLIER = {"dataset": Column("earlier dataset whose loss is compared")}
IN_MATRIX = {
    "method": Column(
        "a name in `methods`; `joint`; `individual`, the network of one dataset alone; or `given`. "
        "Stages that methods share "
        "are in the rows of each",
    ),
    **_scores(of="R, mean over the test images: ", most=PSNR_IN_MEANS),
}
METHOD = {"method": Column("a name in `methods`, or `joint`; individual and given networks have no rows")}
SETS = "where orders have different datasets; nothing is averaged over different sets"
OF_SETS = {"datasets": Column("set of datasets of the orders in the row, sorted and joined by `>`")}
VERDICT = ("average", "forgetting", "new_task_gain")

DESCRIBED = (
    Described(
        "tables/matrix.csv",
        "a row for each rounding, stage of each method and order, and dataset: R[i, j], the score on "
        "dataset j after stage i",
        (
            "rounding",
            "network",
            "seed",
            "method",
            "order",
            "stage",
            "learned",
            "dataset",
            "images",
            *METRICS,
            *(f"rainy_{name}" for name in METRICS),
            *(f"gain_{name}" for name in METRICS),
        ),
        own=IN_MATRIX,
    ),
    Described(
        "tables/continual.csv",
        "a row for each rounding, network, seed, method, order and score. R[i, j], b_j, T as above; "
        "datasets that the order "
        "does not train on do not count. A method without a stage for every dataset has its average only. `joint` has "
        "every stage with `joint.prefixes`, and without them if one dataset follows the first stage. Its first stage "
        "is the network of the first dataset, or the given network; so its BWT and forgetting compare it with networks "
        "of fewer datasets",
        ("rounding", "network", "seed", "method", "order", "metric", *QUANTITIES, "old_data_bytes"),
        own=METHOD | {"order": Column("order of two or more datasets, joined by `>`")},
    ),
    Described(
        "tables/summary.csv",
        "a row for each rounding, network, method, score and quantity: the table above, over orders and seeds",
        ("rounding", "network", "method", "datasets", "metric", "quantity", "mean", "std", "worst_order", "worst"),
        optional={"datasets": SETS},
        own=METHOD | OF_SETS,
    ),
    Described(
        "tables/verdict.csv",
        "a row for each network and method, for its individual networks and for each given network: PSNR on Y of the "
        "first rounding, mean over orders and seeds",
        (
            "network",
            "method",
            "datasets",
            "worst",
            "worst_order",
            *(column for name in VERDICT for column in (name, f"{name}_std")),
            "old_data_bytes",
            *(f"best_{name}" for name in ("average", "worst", "forgetting", "new_task_gain")),
            *("to_best", "to_best_low", "to_best_high", "to_best_seeds_low", "to_best_seeds_high"),
            *("compared_images", "compared_seeds", "beyond_noise"),
            *("harms", "lowest_gain", "lowest_gain_dataset", "above_chord"),
        ),
        optional={"datasets": SETS, "above_chord": "with `evaluation.chord`"},
        own={"method": Column("a name in `methods`, `joint`, `individual` or `given`")}
        | OF_SETS
        | {name: Column(f"mean over orders and seeds; see `{name}` of continual.csv", DB) for name in VERDICT}
        | {f"{name}_std": Column("standard deviation over seeds; empty for one", DB, "≥ 0") for name in VERDICT}
        | {
            f"best_{name}": Column(
                "whether no other method of the network has a better number, however small the difference; never for "
                "`joint`, `individual` and `given`",
                values="`True`, `False`",
            )
            for name in ("average", "worst", "forgetting", "new_task_gain")
        }
        | {
            "worst": Column("lowest average of an order, mean over seeds", DB),
            "old_data_bytes": Column(
                "bytes stored of earlier datasets, the most over orders; empty for `joint`, `individual` and `given`",
                "bytes",
                "≥ 0",
            ),
            "to_best": Column("average above that of the network's best method; 0 for this method", DB),
            **{
                f"to_best{over}_{end}": Column(
                    f"{end}er end of its 95 % interval{what}; empty if unknown (docs/reference/page.md)", DB
                )
                for over, what in {"": " over test images, paired", "_seeds": " over seeds, paired"}.items()
                for end in ("low", "high")
            },
            "compared_images": Column("test images of this comparison", values="≥ 0"),
            "compared_seeds": Column("seeds of this comparison", values="≥ 0"),
            "beyond_noise": Column(
                "whether 0 is outside these intervals; of the best method: whether so against every other method",
                values="`True`, `False`",
            ),
            "harms": Column(
                "scored datasets whose mean score after the last stage of any order is below that of the rainy input, "
                "joined by `>`"
            ),
            "lowest_gain": Column("lowest score above the rainy input after the last stage", DB),
            "lowest_gain_dataset": Column("its dataset"),
            "above_chord": Column(
                "score on the newest dataset minus that of the chord of fine-tuning where it is as good on the old "
                "datasets (docs/explanation/method.md), mean over the stages after the first, orders and seeds; empty "
                "for `joint`, `individual` and `given`",
                DB,
                "> 0: above the chord; higher is better",
            ),
        },
    ),
    Described(
        "tables/scores.csv",
        "a row for each stage, dataset, test image and rounding, beside the scores of the rainy image",
        (*STAGE, *SCORES, *(f"{name}_rainy" for name in METRICS)),
    ),
    Described(
        "tables/training.csv",
        "the tables `training.csv` of all stages",
        (*STAGE, *TRAINING),
        optional=TERMS,
        own=OF_BATCH,
    ),
    Described("tables/moves.csv", "a row for each stage with a past and layer", (*STAGE, "layer", "relative_move")),
    Described(
        "tables/omega-layers.csv",
        "a row for each Ω of a stage's last dataset at its θ, and layer",
        (*STAGE, "importance", "layer", "weights", "mean", "share"),
        own={
            "mean": Column("mean Ω of the weights of the layer", "that of Ω: |gradient|, or gradient²", "≥ 0"),
            "share": Column("sum of Ω in the layer, as a share of the sum over the network", values="0 to 1"),
        },
    ),
    Described(
        "tables/omega-distribution.csv",
        "a row for each Ω, and bin of log10 Ω that holds weights",
        (*STAGE, "importance", "log10_low", "log10_high", "share"),
    ),
    Described(
        "tables/omega-overlap.csv",
        "a row for each Ω and earlier dataset of its path",
        (*STAGE, "importance", "earlier", "overlap"),
    ),
    Described("tables/strengths.csv", "the tables `strength.csv` of all stages", (*STAGE, *STRENGTH), own=OF_CANDIDATE),
    Described("tables/blends.csv", "the tables `blend.csv` of all stages", (*STAGE, *BLEND), own=OF_BLEND),
    Described("tables/theory.csv", "the tables `theory.csv` of all stages", (*STAGE, *THEORY), own=OF_EARLIER),
    Described(
        "tables/theory-correlations.csv",
        "a row for each method and predictor, over all stages and earlier datasets",
        ("method", "predictor", "n", "pearson", "spearman", "ratio"),
        own={"method": Column("a name in `methods`; `all` for the rows of all methods together")},
    ),
    Described(
        "tables/chord.csv",
        "a row for each stage whose blends are scored (`evaluation.chord`), kind of Ω, α and rounding: scores of the "
        "blend of the stage with the one before it",
        tuple(CHORD),
        own={"importance": Column("kind of Ω that weights the blend, a name in `importances`; `-` for a plain blend")},
    ),
    Described(
        "tables/cost.csv",
        "a row for each rule whose jobs ran here and are measured",
        tuple(COSTS),
        own={"seconds": Column("wall time of all jobs; of a resumed job, the last attempt", "s", "≥ 0")},
    ),
    Described("stages/STAGE/training.csv", "a row for each logged step", TRAINING, optional=TERMS, own=OF_BATCH),
    Described(
        "stages/STAGE/strength.csv",
        "a row for each candidate of a stage whose strengths are searched",
        STRENGTH,
        own=OF_CANDIDATE,
    ),
    Described("stages/STAGE/blend.csv", "a row for each share α in a blended stage", BLEND, own=OF_BLEND),
    Described("stages/STAGE/theory.csv", "a row for each earlier dataset of the stage", THEORY, own=OF_EARLIER),
    Described(
        "stages/STAGE/scores/PART.csv",
        "a row for each dataset, test image and rounding. PART is `all`, or a dataset with `evaluation.split`",
        SCORES,
    ),
    Described(
        "stages/STAGE/chord/BLEND.csv",
        "a row for each dataset learned so far, test image and rounding. BLEND is `alpha-0.5`, or "
        "`omega-KIND-alpha-0.5` for a blend weighted by Ω",
        SCORES,
    ),
    Described(
        "search/STAGE/SCALE/training.csv",
        "a row for each logged step of a candidate",
        TRAINING,
        optional=TERMS,
        own=OF_BATCH,
    ),
    Described("datasets/DATASET/rainy.csv", "a row for each test pair: the rainy image itself", RAINY_COLUMNS),
    Described(
        "datasets/DATASET/manifest.csv",
        "a row for each pair that the experiment uses, as it was found on disk",
        tuple(each.name for each in fields(Sample)),
        own={"clean": Column("file of the clean image below `root`; empty for real rain")},
    ),
    Described(
        "datasets/DATASET/USE/pairs.csv",
        "a row for each pair in the store of a dataset. USE is `training` (with validation) or `test`",
        tuple(each.name for each in fields(Row)),
        own={"clean": Column("whether there is a clean image", values="`True`, `False`")},
    ),
    *(
        Described(f"datasets/DATASET/{name}.csv", rows, tuple(each.name for each in fields(Finding)))
        for name, rows in {
            "findings": "a row for each fault or notice about the files, worst first",
            "check": "the rows of `findings.csv`, and a summary of each split",
        }.items()
    ),
)

INTRODUCTION = """# The columns of the tables

Generated from `scripts/derain/reference/columns.py`; [CONTRIBUTING.md](../../CONTRIBUTING.md) says how to renew it.
Paths are below `results/`; the tables in `tables/` of an experiment with `name: first` are below `results/first/`.
STAGE is the path of a stage, `network/seed0/method/a/b`. A missing number is an empty field. A table exists where the
experiment has something for it. [method.md](../explanation/method.md) explains the scores, [page.md](page.md) the page.

In the formulas, R[i, j] is the score on dataset j after stage i, b_j the score of its rainy input itself, and T the
number of datasets of the order. Stages are numbered by the datasets that the network has learned: the first one is k =
1, or the number of datasets that a given network has learned (`networks.NAME.learned`), and i(j) = max(j, k) is the
stage that has learned dataset j. In a mean over images, a PSNR counts 100 dB at most. Sources: Lopez-Paz & Ranzato,
*Gradient Episodic Memory for Continual Learning*, NIPS 2017; Chaudhry et al., *Riemannian Walk for Incremental
Learning: Understanding Forgetting and Intransigence*, ECCV 2018.
"""


def tables_page() -> str:
    """docs/reference/tables.md."""
    parts = [INTRODUCTION]
    for table in DESCRIBED:
        parts.append(f"## {table.file}\n\n{table.rows[0].upper()}{table.rows[1:]}.\n")
        parts.append("| column | unit | values | meaning |\n|---|---|---|---|")
        for name in table.columns:
            column = table.column(name)
            reason = f" Only {table.optional[name]}." if name in table.optional else ""
            cells = [f"`{name}`", column.unit, column.values, f"{column.meaning}{'.' if reason else ''}{reason}"]
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("")
    return "\n".join(parts)
