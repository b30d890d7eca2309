"""Training pairs that show what a test pair shows: the same rainy image, or the same clean background."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from derain.data.inspection import Facts
from numpy.typing import NDArray

# Of the 255 bits of a perceptual hash, how many may differ: twice what re-encoding and small crops change (10 %), and
# far from two photographs (35 %).
MAX_DIFFERENT_BITS = 51

RAINY, CLEAN = "rainy", "clean"
ROLES = {RAINY: "rainy image", CLEAN: "clean background"}


@dataclass(frozen=True)
class View:
    """What can give a pair away. place: where it is, as the user knows it; pictures: by role (RAINY, CLEAN)."""

    place: str
    pictures: Mapping[str, Facts]


@dataclass(frozen=True)
class Leak:
    """A training pair, by its number, and how it is known."""

    number: int
    text: str


def find_leaks(training: Sequence[View], tests: Iterable[View]) -> list[Leak]:
    """Training pairs whose rainy image or clean background is that of a test pair.

    Pixels are compared by digest, then by perceptual hash, so that neither re-encoding nor a crop by a few pixels
    hides a copy. At most one leak a pair is told.
    """
    tests = list(tests)
    leaks: dict[int, Leak] = {}
    for role in (CLEAN, RAINY):
        shown: dict[str, tuple[str, str]] = {}  # by digest: hash, place
        for view in tests:
            if role in view.pictures:
                facts = view.pictures[role]
                shown.setdefault(facts.sha256, (facts.hash, view.place))
        mine = {view.pictures[role].sha256: view.pictures[role].hash for view in training if role in view.pictures}
        near = _nearest({sha: text for sha, text in mine.items() if sha not in shown}, list(shown.values()))
        for number, view in enumerate(training):
            if number in leaks or role not in view.pictures:
                continue
            sha256 = view.pictures[role].sha256
            if sha256 in shown:
                leaks[number] = Leak(number, f"its {ROLES[role]} is that of {shown[sha256][1]}")
            elif sha256 in near:
                leaks[number] = Leak(number, f"its {ROLES[role]} looks like that of {near[sha256]}")
    return [leaks[number] for number in sorted(leaks)]


def _nearest(hashes: Mapping[str, str], shown: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Place of the nearest of `shown` (hash, place) for each of `hashes` (by digest) that is near enough to one."""
    mine = [(sha256, text) for sha256, text in hashes.items() if text]
    theirs = [(text, place) for text, place in shown if text]
    if not mine or not theirs:
        return {}
    wanted = _bits(text for text, _ in theirs)
    near = {}
    # Blocks keep the table of distances small, however many images there are.
    size = max(1, 2**20 // len(theirs))
    for start in range(0, len(mine), size):
        block = mine[start : start + size]
        words = _bits(text for _, text in block)[:, None] ^ wanted
        distances = np.bitwise_count(words).sum(-1, dtype=np.int64)
        for (sha256, _), closest, distance in zip(block, distances.argmin(1), distances.min(1), strict=True):
            if distance <= MAX_DIFFERENT_BITS:
                near[sha256] = theirs[closest][1]
    return near


def _bits(hashes: Iterable[str]) -> NDArray[np.uint64]:
    """(N, 4) words of N hashes."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint64).reshape(-1, 4)
