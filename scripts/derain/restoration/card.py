"""The model card of an exported network: what it was trained on, its scores, its limits, how to load it.

Markdown with the front matter of Hugging Face, so that the folder can be uploaded as it is.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import ValidationError

from derain.config.networks import OWN
from derain.curriculum import BLEND_TABLE, JOINT, STAGES, THETA, Stage, along
from derain.engine.recorded import Records
from derain.evaluation.psnr import in_means
from derain.evaluation.reading import read_table
from derain.evaluation.tiles import Field
from derain.files.digest import file_digest
from derain.files.metadata import metadata
from derain.files.source import file_of
from derain.plan.datasets import rainy_scores
from derain.plan.recipes import EvaluationRecipe, copied_from

CARD = "README.md"
TEMPLATE = "card.md.j2"
NEAREST = "nearest"


class Scores(NamedTuple):
    """Means over test images, on Y. rounding: of the outputs; psnr_db, ssim: by (datasets learned, test set); rainy_db,
    rainy_ssim: of the rainy inputs, by test set.
    """

    rounding: str
    psnr_db: dict[tuple[str, ...], dict[str, float]]
    ssim: dict[tuple[str, ...], dict[str, float]]
    rainy_db: dict[str, float]
    rainy_ssim: dict[str, float]

    @property
    def stages(self) -> list[tuple[str, ...]]:
        """The datasets learned, of each stage, first to last."""
        return list(self.psnr_db)

    @property
    def test_sets(self) -> list[str]:
        """The test sets in the order of learning, then those that were never learned."""
        learned = [name for name in self.stages[-1] if name in self.psnr_db[self.stages[-1]]]
        return [*learned, *sorted({name for row in self.psnr_db.values() for name in row} - set(learned))]

    @property
    def harmed(self) -> list[str]:
        """The test sets on which the output of the last stage scores below the rainy input."""
        last = self.psnr_db[self.stages[-1]]
        return [name for name in self.test_sets if last.get(name, np.inf) < self.rainy_db.get(name, -np.inf)]


class Blend(NamedTuple):
    """θ = (1 − α)·θⁿ + α·θⁿ⁺¹. alpha: None if it is not known; before, trained: sha256 of the files of θⁿ, θ of the
    stage before, and of θⁿ⁺¹, the end of the training.
    """

    alpha: float | None
    before: str
    trained: str


def stage_of(file: Path) -> tuple[Path, Stage] | None:
    """(folder of the run, stage) of a file that is the θ of a stage in a results tree, or a copy beside it with the
    same bytes; None for every other file, such as an older θ beside it or in a folder there. The target of a link comes
    before the link.
    """
    for theta in (file.resolve(), file.absolute()):  # θ, or the results, may be a link to another disk
        at = _place(theta.parent)
        there = at and at[0] / at[1].file(THETA)
        if at and there and there.is_file() and file_digest(there) == file_digest(theta):
            learned = metadata(there).get("datasets")
            return at if not isinstance(learned, Mapping) or set(learned) == set(at[1].own) else None
    return None


def _place(folder: Path) -> tuple[Path, Stage] | None:
    """(folder of the run, stage) of a stage's folder; None for another folder."""
    parts = folder.parts
    root = tuple(STAGES.split("/"))
    for start in range(len(parts) - len(root), 0, -1):
        if parts[start : start + len(root)] == root:
            path = "/".join(parts[start + len(root) :])
            try:
                stage = Stage.of_path(path)
            except ValueError:
                return None
            return (Path(*parts[:start]), stage) if stage.path == path else None
    return None


class Table(NamedTuple):
    """A table of scores of a θ that is there. settings: what decides them, except θ and the test images; images: digest
    of the test pairs by test set; used: sha256 by file that the table was made from.
    """

    file: Path
    settings: Mapping[str, Any]
    images: Mapping[str, str]
    used: Mapping[str, str]


def scores_of(run: Path, stage: Stage) -> Scores | None:
    """The scores of a stage, and of the predecessors that its θ descends from, as far as they are known to be of the θ
    that is there; None if there are none of the stage itself. All are of the same settings and test images: those of
    the last scoring of the stage (with `evaluation.split` changed, a table of an earlier one is still there).
    """
    records = Records(run)
    settings: Mapping[str, Any] = {}
    images: dict[str, str] = {}
    used: dict[str, str] = {}
    rows: list[pd.DataFrame] = []
    for each in _descent(run, stage):
        found: dict[str, pd.DataFrame] = {}
        for table in _tables(records, run, each):
            settings = settings or table.settings
            if table.settings != settings:
                continue
            of_table = read_table(table.file)
            for name, digest in table.images.items():
                if name not in found and images.setdefault(name, digest) == digest:
                    found[name] = of_table[of_table["dataset"] == name]
                    used |= table.used
        rows = [*(part.assign(learned=[each.datasets] * len(part)) for part in found.values() if len(part)), *rows]
        if not rows:
            return None
    table = pd.concat(rows, ignore_index=True)
    rounding = NEAREST if NEAREST in set(table["rounding"]) else table["rounding"].iloc[0]
    table = table[table["rounding"] == rounding].assign(psnr=lambda rows: in_means(rows["psnr_y_db"]))
    means = table.groupby(["learned", "dataset"])[["psnr", "ssim_y"]].mean()
    stages = list(dict.fromkeys(table["learned"]))
    names = list(dict.fromkeys(table["dataset"]))
    rainy = {
        name: _rainy(run / file)
        for name, file in zip(names, rainy_scores(names), strict=True)
        if file in used and (run / file).is_file() and records.are_there({file: used[file]})
    }
    return Scores(
        rounding,
        {stage: means.loc[stage]["psnr"].to_dict() for stage in stages},
        {stage: means.loc[stage]["ssim_y"].to_dict() for stage in stages},
        {name: psnr for name, (psnr, _) in rainy.items()},
        {name: ssim for name, (_, ssim) in rainy.items()},
    )


def _tables(records: Records, run: Path, stage: Stage) -> list[Table]:
    """The tables of scores of the θ of a stage that is there now: those of the test images that are there before
    others, and later ones before earlier ones.
    """
    theta = stage.file(THETA)
    if not (run / theta).is_file():
        return []
    found = []
    for file in sorted((run / stage.file("scores")).glob("*.csv")):
        name = str(file.relative_to(run))
        made_from, used, recipe = records.made_from(name), records.used(name), _recipe(records.params(name))
        if made_from is None or used is None or theta not in made_from or recipe is None:
            continue
        settings = recipe.model_dump(exclude={"datasets", "previews"})
        order = (records.are_there(used), records.ended(name))
        found.append((order, Table(file, settings, recipe.datasets, used)))
    return [table for _, table in sorted(found, key=lambda each: each[0], reverse=True)]


def _recipe(params: Sequence[Any]) -> EvaluationRecipe | None:
    """The recipe among the params of a scoring job; None if there is none, as of an earlier version of the software."""
    for value in params:
        with suppress(ValidationError):
            return EvaluationRecipe.model_validate(value)
    return None


def _rainy(file: Path) -> tuple[float, float]:
    """Mean PSNR (dB) and SSIM of the rainy inputs of a test set."""
    rainy = read_table(file)
    return float(in_means(rainy["psnr_y_db"]).mean()), float(rainy["ssim_y"].mean())


def _blend(recorded: Mapping[str, Any], at: tuple[Path, Stage] | None) -> Blend | None:
    """The blend that a θ is; None if it is none. A chosen α stands in the table beside it."""
    if "alphas" not in recorded:
        return None
    alpha = recorded["alphas"][0] if recorded.get("give_up") is None else None
    table = at and at[0] / at[1].file(BLEND_TABLE)
    if alpha is None and table and table.is_file():
        alpha = next(iter(read_table(table).loc[lambda rows: rows["chosen"].astype(bool), "alpha"]), None)
    parents = recorded.get("parents", {})
    return Blend(None if alpha is None else float(alpha), parents.get("theta", ""), parents.get("trained", ""))


def _origin(recorded: Mapping[str, Any], at: tuple[Path, Stage] | None) -> Mapping[str, Any]:
    """Metadata of the θ that a θ descends from, which is its own for a first stage; empty if a θ between them is not
    known.
    """
    if not at:
        return recorded
    run, stage = at
    first = _descent(run, stage)[-1]
    return metadata(run / first.file(THETA)) if first == along(stage)[0] else {}


def _descent(run: Path, stage: Stage) -> list[Stage]:
    """The stage and its predecessors, last to first, as far as their θ are those that the stage descends from: each
    names θ of the stage before by its sha256.
    """
    found = [stage]
    for before in reversed(along(stage)[:-1]):
        theta = run / before.file(THETA)
        started = metadata(run / found[-1].file(THETA)).get("parents", {}).get("theta")
        if not theta.is_file() or started != file_digest(theta):
            break
        found.append(before)
    return found


def _learned_elsewhere(stage: Stage, origin: Mapping[str, Any]) -> tuple[str, ...]:
    """The datasets that given weights have learned before the stages here, as the config says; empty if the first
    stage was trained here. A dataset alone may be either: the metadata of θ tell it.
    """
    given = stage.at_once > 1 or copied_from(origin) is not None
    return stage.datasets[: stage.at_once] if given and stage.method != JOINT else ()


def _in_words(datasets: Sequence[str], at_once: int) -> str:
    """A sequence of datasets, of which the first ones were learned together or nobody knows how: "a, b → c"."""
    return " → ".join(filter(None, [", ".join(datasets[:at_once]), *datasets[at_once:]]))


def card(
    name: str,
    recorded: Mapping[str, Any],
    parameters: int,
    field: Field,
    digests: Mapping[str, str],
    at: tuple[Path, Stage] | None,
    place: str | None = None,
) -> str:
    """The text of a model card. name: of the model; recorded: metadata of its θ, with its backbone; parameters: their
    number; digests: sha256 by file; at: from `stage_of`; place: of the class if it is the user's own.
    """
    scores, origin = scores_of(*at) if at else None, _origin(recorded, at)
    elsewhere = _learned_elsewhere(at[1], origin) if at else ()
    at_once = len(at[1].datasets) if at and at[1].method == JOINT else len(elsewhere)
    environment = Environment(  # noqa: S701 (Markdown, no HTML)
        loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    text = environment.get_template(TEMPLATE).render(
        front=yaml.safe_dump(_front_matter(name, scores), sort_keys=False, allow_unicode=True),
        name=name,
        recorded=recorded,
        blend=_blend(recorded, at),
        initial_weights=recorded.get("initial_weights") or origin.get("initial_weights"),
        backbone=recorded["network"]["backbone"],
        options={key: value for key, value in recorded["network"].items() if key != "backbone"},
        parameters=f"{parameters:,}",
        # Of each pixel of a block of the grid.
        reach=None if field.reach is None else field.reach + field.grid - 1,
        digests=digests,
        place=_portable(place) if place and recorded["network"]["backbone"] == OWN else None,
        stage=at and at[1],
        elsewhere=elsewhere,
        after={learned: _in_words(learned, at_once) for learned in scores.stages} if scores else {},
        scores=scores,
    )
    return text.rstrip() + "\n"


def _portable(place: str) -> str:
    """The place of a class, FILE.py:CLASS without folders or MODULE:CLASS, as text of Python."""
    file = file_of(place)
    return json.dumps(f"{file.name}:{place.rpartition(':')[2]}" if file else place, ensure_ascii=False)


def _front_matter(name: str, scores: Scores | None) -> dict[str, Any]:
    """https://huggingface.co/docs/hub/model-cards; results as in its model-index."""
    results = []
    if scores:
        psnr, ssim = scores.psnr_db[scores.stages[-1]], scores.ssim[scores.stages[-1]]
        results = [
            {
                "task": {"type": "image-to-image", "name": "image de-raining"},
                "dataset": {"type": name, "name": name, "split": "test"},
                "metrics": [
                    {"type": "psnr", "name": "PSNR on Y, dB", "value": round(psnr[name], 2)},
                    {"type": "ssim", "name": "SSIM on Y", "value": round(ssim[name], 4)},
                ],
            }
            for name in scores.test_sets
            if name in psnr
        ]
    front: dict[str, Any] = {
        "license": "unknown",
        "pipeline_tag": "image-to-image",
        "tags": ["image-restoration", "deraining", "continual-learning", "onnx", "safetensors"],
    }
    return front | ({"model-index": [{"name": name, "results": results}]} if results else {})
