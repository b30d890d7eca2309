"""One line for each split of a dataset, to identify its release: counts, sizes, scores of the rainy input; and a
warning if rendered pairs have no rain.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from derain.data.findings import SUMMARY, WARNING, Finding
from derain.data.parallel import in_parallel
from derain.data.store import PackedPairs
from derain.errors import shown
from derain.evaluation.metrics import luma, ssim
from derain.evaluation.psnr import in_means, psnr

# Number of training or validation pairs to score, spread evenly. All test pairs are scored, as in published figures.
SCORED = 200
# Scenes with several pairs are named up to this number, unless all scenes have several.
NAMED = 3


def summarise(splits: Mapping[str, PackedPairs], workers: int, title: str, protocol: str) -> list[Finding]:
    """The lines and warnings of all splits with pairs. splits: pairs by split; protocol: of SSIM."""
    each = (_summary(split, pairs, workers, title, protocol) for split, pairs in splits.items() if len(pairs))
    return [finding for findings in each for finding in findings]


def _summary(split: str, pairs: PackedPairs, workers: int, title: str, protocol: str) -> list[Finding]:
    sizes = sorted({(row.height, row.width) for row in pairs.rows}, key=lambda size: size[0] * size[1])
    extent = "–".join(dict.fromkeys(f"{width}×{height}" for height, width in (sizes[0], sizes[-1])))
    what = "pair" if any(row.clean for row in pairs.rows) else "image"
    scenes = Counter(row.scene for row in pairs.rows)
    several = [f"{count} of {shown(scene)}" for scene, count in scenes.items() if count > 1]
    named = f" ({', '.join(several)})" if 0 < len(several) <= NAMED and len(several) < len(scenes) else ""
    counts = f"{_count(len(pairs), what)} of {_count(len(scenes), 'scene')}{named}"
    text = f"{counts}, {extent} ({_count(len(sizes), 'size')})"
    known = [n for n, row in enumerate(pairs.rows) if row.clean]
    if not known:
        return [Finding(SUMMARY, split, "", f"{text}, no clean images")]
    count = len(known) if split == "test" else min(SCORED, len(known))
    chosen = [known[n] for n in np.linspace(0, len(known) - 1, count).astype(int)]

    def scores(number: int) -> tuple[float, float, bool]:
        rainy, clean = pairs[number]
        assert clean is not None
        y, y_clean = luma(rainy), luma(clean)
        return in_means(psnr(y, y_clean)), ssim(y, y_clean, protocol), np.array_equal(rainy, clean)

    scored = list(in_parallel(scores, chosen, workers, f"{title} {split}"))
    mean_psnr, mean_ssim, _ = np.mean(scored, axis=0)
    of = "" if count == len(pairs) else f" (mean of {count})"
    line = Finding(SUMMARY, split, "", f"{text}, rainy input {mean_psnr:.2f} dB PSNR and {mean_ssim:.4f} SSIM on Y{of}")
    same = [pairs.rows[n] for n, (*_, equal) in zip(chosen, scored, strict=True) if equal]
    return [line, *_without_rain(split, [row.name for row in same if row.recipe], count)]


def _without_rain(split: str, names: list[str], count: int) -> list[Finding]:
    """A warning of rendered pairs whose images are equal, such as those of a white sky or of very little rain. Other
    pairs with equal images are refused (derain.data.checks).
    """
    if not names:
        return []
    text = f"{len(names)} of {_count(count, 'pair')} have no rain: their images are equal, which counts as 100 dB"
    return [Finding(WARNING, split, "", f"{text}; the first is {shown(names[0])}")]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
