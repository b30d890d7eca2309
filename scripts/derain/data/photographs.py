"""Layout "rendered" with a root: rain on all images below a folder. Until they have their rain, they are samples with
a clean image only, one for each photograph, so that checks, leaks and splits are those of the other layouts.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from derain.data.findings import ERROR, Finding
from derain.data.matching import Excluded, find_below
from derain.data.rendered import spread_tiles
from derain.data.samples import Sample
from derain.errors import print_and_log, shown


def photographs(root: Path, exclude: Sequence[str]) -> tuple[list[Sample], list[Finding]]:
    """All images below `root`, sorted by path, each a training sample without rain; and the findings.

    exclude: patterns of paths to ignore (`Excluded`).
    """
    found, excluded = find_below(root), Excluded(exclude)
    for folder in found.results:
        # No finding: there is none yet in the first run, and the findings of the second one are to be the same.
        if not excluded(folder):
            print_and_log(f"notice: {shown(str(root / folder))}: holds the results of an experiment; passed over", None)
    samples = [
        Sample("train", match.scene, match.path, "", match.path) for match in found.files if not excluded(match.path)
    ]
    findings = [Finding(s, "train", path, text) for s, path, text in found.amiss if not excluded(path)]
    if not samples and not any(finding.severity == ERROR for finding in findings):
        findings.append(Finding(ERROR, "", "", f"no image found below {root}"))
    return samples, [*findings, *excluded.unmatched()]


def under_rain(
    samples: Iterable[Sample], rain: Any, seed: int, renders: int, tile: int, tiles: int
) -> Iterator[Sample]:
    """The pairs that photographs give, each with a recipe. Training: each whole photograph `renders` times. Validation
    and test: up to `tiles` evenly spread squares of side `tile` pixels of each.

    samples: photographs with splits and sizes; rain: as in the config, and so in the recipes (`derain.data.draws`).
    The seed of a pair's rain is `seed` and a number from its name, so another photograph changes no rain.
    """
    for sample in samples:
        height, width = sample.height, sample.width
        whole = [(0, 0, height, width)] * renders
        for copy, box in enumerate(whole if sample.split == "train" else spread_tiles(height, width, tile, tiles)):
            name = f"{sample.name}-{copy}"
            recipe = json.dumps({"rain": rain, "seed": (seed, number_of(name)), "box": box})
            yield replace(sample, name=name, recipe=recipe, height=box[2], width=box[3])


def number_of(name: str) -> int:
    """A 64-bit number from a name, for seeds."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
