"""Lists the samples of a dataset from its section of the config, for every layout, divides them into splits, and adds
rendered rain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from derain.data.draws import draw_rain
from derain.data.findings import ERROR, Finding
from derain.data.folders import Folders
from derain.data.matching import Excluded
from derain.data.photographs import photographs, under_rain
from derain.data.rendered import RENDERED, rendered
from derain.data.roots import has_photographs, root_of
from derain.data.samples import SPLITS, Sample
from derain.data.splits import draw_scenes, name_scenes
from derain.errors import UserError

OF_PAIRS = ("seed", "renders", "tile", "tiles")  # keys that say how photographs become pairs


def discover(section: dict[str, Any], trained: bool) -> tuple[list[Sample], list[Finding]]:
    """All samples, without sizes and digests, and the findings. The order does not depend on the machine.

    trained: whether training and validation pairs are needed. If the test split is taken out of the training scenes
    (test_list, test_share), its samples are returned as training samples; `divide` moves them.
    """
    if has_photographs(section):
        return photographs(root_of(section), section["exclude"])
    if section["layout"] == RENDERED:
        options = {key: section[key] for key in ("rain", *OF_PAIRS, *SPLITS)}
        try:
            return [sample for sample in rendered(**options) if trained or sample.split == "test"], []
        except UserError as error:
            return [], [Finding(ERROR, "", "", str(error))]
    # The test split: scenes taken out of training, or the test places of the layout.
    carved = bool(section["test_list"] or section["test_share"])
    used = ["train" if carved else "test"]
    if trained:
        used = [split for split in SPLITS if split != "test" or not carved]
    own = {split: {key: value for key, value in (section[split] or {}).items() if value} for split in SPLITS}
    excluded = Excluded(section["exclude"])
    folders = Folders(root_of(section), section["layout"], own, section["clean"], excluded)
    samples = [sample for split in used for sample in folders.pairs(split)]
    # If only the test pairs were looked for, a pattern may be about the other ones.
    whole = trained or not any(folders.places[split] for split in SPLITS if split not in used)
    return samples, [*folders.findings, *(excluded.unmatched() if whole else ())]


def divide(
    samples: list[Sample], section: dict[str, Any], trained: bool, background: Mapping[str, str]
) -> tuple[list[Sample], list[Finding]]:
    """Move training scenes to the test and validation splits as the lists say, then draw `test_share` of the rest.
    `hold_out` draws validation scenes later.

    background: for scenes that share one (derain.data.backgrounds), their common name, which replaces their own.
    Returns the samples (only test samples unless `trained`) and the findings.
    """
    if _has_splits(section):
        return samples, []
    findings = []
    of_training = [sample.split == "train" for sample in samples]
    # Scenes of the validation list leave training before a share is drawn, also where only test pairs are wanted: the
    # test split must not depend on it.
    for split in ("test", "validation") if any(of_training) else ("test",):
        if section[f"{split}_list"]:
            path = root_of(section) / section[f"{split}_list"]
            samples, missing = name_scenes(samples, split, path, background)
            findings += missing
    samples = [
        replace(sample, scene=background.get(sample.scene, sample.scene)) if of_it else sample
        for sample, of_it in zip(samples, of_training, strict=True)
    ]
    if section["test_share"]:
        samples, problems = draw_scenes(samples, "test", section["test_share"], section["seed"])
        findings += problems
    return [sample for sample in samples if trained or sample.split == "test"], findings


def hold_out(samples: list[Sample], section: dict[str, Any]) -> tuple[list[Sample], list[Finding]]:
    """Draw validation scenes from the training scenes if there are no validation samples yet."""
    splits = {sample.split for sample in samples}
    if _has_splits(section) or "validation" in splits or "train" not in splits:
        return samples, []
    if section["test_share"] and "test" not in splits:  # `divide` has reported that there is only one scene
        return samples, []
    return draw_scenes(samples, "validation", section["validation_share"], section["seed"])


def _has_splits(section: dict[str, Any]) -> bool:
    """Whether the config itself names the photographs of each split."""
    return bool(section["layout"] == RENDERED and not has_photographs(section))


def complete_pairs(
    samples: list[Sample], section: dict[str, Any], sources: Mapping[str, Sequence[Sample]]
) -> tuple[list[Sample], list[Finding]]:
    """Turn photographs with splits and sizes into pairs, and complete the recipes of rendered pairs; samples of other
    layouts stay as they are. sources: pairs of the datasets whose layers are taken (`derain.data.draws`).
    """
    if section["layout"] != RENDERED:
        return samples, []
    if has_photographs(section):
        samples = list(under_rain(samples, section["rain"], **{key: section[key] for key in OF_PAIRS}))
    return draw_rain(samples, section["rain"], section["seed"], sources)
