"""Checks of pairs: whether each file can be used, and whether the images of a pair fit together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from derain.data.findings import ERROR, NOTICE, Finding
from derain.data.inspection import Facts, Inspection, as_stored
from derain.data.leaks import difference
from derain.data.samples import USES, Sample

MIN_SIDE = 11  # pixels, the window of SSIM
TRANSPOSED = 5  # from this EXIF orientation on, height and width change places


def check_pairs(
    samples: list[Sample], inspections: Mapping[str, Inspection], patch: int, small_images: str
) -> tuple[list[Sample], list[Finding]]:
    """Check all samples. Returns the valid ones, with sizes and digests filled in, and the findings.

    inspections: by file; patch: side of a training patch, pixels; small_images: "refuse" or "reflect" training images
    smaller than the patch.
    """
    sound, findings = [], [*_of_files(samples, inspections)]
    for sample in samples:
        facts = [inspections[file].pictures[part] for file, part in sample.pictures if inspections[file].pictures]
        if len(facts) < len(sample.pictures):
            continue
        faults = _of_pair(sample, facts, inspections)
        findings += faults
        if not any(fault.severity == ERROR for fault in faults):
            sound.append(_with_facts(sample, facts))
    if small_images == "refuse":
        findings += _below_patch(sound, patch)
    return sound, findings


def check_clean(samples: Sequence[Sample], in_order: bool) -> list[Finding]:
    """An error for each split that lacks clean images which its use needs: each training and validation pair has one,
    and at least one test pair of a dataset of an order. A dataset that is only scored may be real rain.

    samples: all of a dataset that are used, with their splits; in_order: whether an order contains the dataset.
    """
    findings = []
    for split in USES["training"]:
        bare = [sample for sample in samples if sample.split == split and not sample.clean]
        if bare:
            others = f" ({len(bare) - 1} more {split} pairs have none, too)" if len(bare) > 1 else ""
            findings.append(Finding(ERROR, split, bare[0].rainy, f"has no clean image{others}; {split} pairs need one"))
    tests = [sample for sample in samples if sample.split == "test"]
    if in_order and tests and not any(sample.clean for sample in tests):
        text = "no test pair has a clean image; a dataset of an order needs scores, one of evaluation.datasets does not"
        findings.append(Finding(ERROR, "test", "", text))
    return findings


def _of_files(samples: list[Sample], inspections: Mapping[str, Inspection]) -> list[Finding]:
    findings: dict[Finding, None] = {}  # an ordered set: several pairs may share a file
    for sample in samples:
        for file, _ in sample.pictures:
            inspection = inspections[file]
            if inspection.fault:
                findings[Finding(ERROR, sample.split, file, inspection.fault)] = None
            for note in inspection.notes:
                findings[Finding(NOTICE, sample.split, file, note)] = None
    return list(findings)


def _of_pair(sample: Sample, facts: list[Facts], inspections: Mapping[str, Inspection]) -> list[Finding]:
    findings = []

    def add(severity: str, text: str) -> None:
        findings.append(Finding(severity, sample.split, sample.rainy or sample.clean, text))

    first, last = facts[0], facts[-1]
    size, turned = f"{first.width}×{first.height}", _turned(sample, inspections)
    if (first.height, first.width) != (last.height, last.width):
        transposed = (first.height, first.width) == (last.width, last.height)
        why = " (transposed)" if transposed else ""
        why += f", with {turned[0]} turned by its EXIF tag" if turned else ""
        add(ERROR, f"is {size}, its clean partner {sample.clean} is {last.width}×{last.height}{why}")
    elif len(facts) == 2 and first.sha256 == last.sha256:
        add(ERROR, f"has the same pixels as its clean partner {sample.clean}; exclude the pair")
    elif len(facts) == 2 and len(turned) == 1:
        found = f"of it and its clean partner {sample.clean}, only {turned[0]} is turned by its EXIF tag"
        if _fits_better_as_stored(sample, facts, inspections):
            add(ERROR, f"{found}, and without that they fit better; remove the tag, or exclude the pair")
        else:
            add(NOTICE, f"{found}; once turned, they fit")
    if min(first.height, first.width) < MIN_SIDE:
        add(ERROR, f"is {size}; at least {MIN_SIDE}×{MIN_SIDE} pixels are needed")
    return findings


def _turned(sample: Sample, inspections: Mapping[str, Inspection]) -> list[str]:
    """The files of a pair that their EXIF tag turns."""
    return list(dict.fromkeys(file for file, _ in sample.pictures if inspections[file].orientation != 1))


def _fits_better_as_stored(sample: Sample, facts: list[Facts], inspections: Mapping[str, Inspection]) -> bool:
    """Whether two images of one size, one of which is turned, would fit better if it were not."""
    orientations = [inspections[file].orientation for file, _ in sample.pictures]
    if max(orientations) >= TRANSPOSED and facts[0].height != facts[0].width:
        return False  # not turned, they would not even have one size
    stored = [each if turn == 1 else as_stored(each, turn) for each, turn in zip(facts, orientations, strict=True)]
    return difference(*stored) < difference(*facts)


def _with_facts(sample: Sample, facts: list[Facts]) -> Sample:
    # A rendered sample covers only a part of the photograph and has its size already.
    height, width = (sample.height, sample.width) if sample.recipe else (facts[0].height, facts[0].width)
    return replace(
        sample,
        height=height,
        width=width,
        rainy_sha256=facts[0].sha256 if sample.rainy else "",
        clean_sha256=facts[-1].sha256 if sample.clean else "",
    )


def _below_patch(samples: list[Sample], patch: int) -> list[Finding]:
    small = [sample for sample in samples if sample.split == "train" and min(sample.height, sample.width) < patch]
    if not small:
        return []
    smallest = min(small, key=lambda sample: min(sample.height, sample.width))
    others = f" ({len(small) - 1} more training images are, too)" if len(small) > 1 else ""
    text = (
        f"is {smallest.width}×{smallest.height}, smaller than training.patch = {patch}{others}; "
        "lower the patch, or set `small_images: reflect`"
    )
    return [Finding(ERROR, "train", smallest.rainy or smallest.clean, text)]
