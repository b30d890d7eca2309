"""The samples of a dataset's section of the config, whatever its layout."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from derain.data.findings import ERROR, Finding
from derain.data.folders import Folders
from derain.data.rendered import RENDERED, rendered, root_of
from derain.data.samples import SPLITS, Sample
from derain.data.splits import draw_scenes, name_scenes
from derain.errors import UserError


def discover(section: dict[str, Any], trained: bool) -> tuple[list[Sample], list[Finding]]:
    """All samples without sizes and digests, in an order that does not depend on the machine, and what is amiss.

    trained: whether training and validation pairs are of use. Where the test split comes out of training, its samples
    are called training samples here, and `divide` tells them apart.
    """
    if section["layout"] == RENDERED:
        options = {key: value for key, value in section.items() if key != "layout"}
        try:
            return [sample for sample in rendered(**options) if trained or sample.split == "test"], []
        except UserError as error:
            return [], [Finding(ERROR, "", "", str(error))]
    # Scenes carved out of training are the test split; else the layout gives it.
    carved = bool(section["test_list"] or section["test_share"])
    used = ["train" if carved else "test"]
    if trained:
        used = [split for split in SPLITS if split != "test" or not carved]
    own = {split: {key: value for key, value in (section[split] or {}).items() if value} for split in SPLITS}
    folders = Folders(root_of(section), section["layout"], own, section["clean"], section["exclude"])
    samples = [sample for split in used for sample in folders.pairs(split)]
    return samples, folders.findings


def divide(
    samples: list[Sample], section: dict[str, Any], trained: bool, background: Mapping[str, str]
) -> tuple[list[Sample], list[Finding]]:
    """Take scenes out of training: those that lists name, and test scenes that are drawn. Validation scenes that are
    drawn are taken by `hold_out`, later.

    background: of scenes that share one (derain.data.backgrounds), the name that stands for them from here on.
    """
    if section["layout"] == RENDERED:
        return samples, []
    findings = []
    of_training = [sample.split == "train" for sample in samples]
    for split in ("test", "validation") if trained else ("test",):
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
    """Draw validation scenes from the training scenes where nothing else gives any."""
    splits = {sample.split for sample in samples}
    if section["layout"] == RENDERED or "validation" in splits or "train" not in splits:
        return samples, []
    return draw_scenes(samples, "validation", section["validation_share"], section["seed"])
