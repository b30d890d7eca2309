"""Training pairs that show what a test pair shows: the same rainy image, or the same clean background."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from derain.data.inspection import Facts
from numpy.typing import NDArray

# Two pictures are one where both hold. Of the 255 bits of their hashes at most a quarter differ: a crop by a pixel and
# JPEG 10 change 24 of a photograph of Rain100, 50 of one of 64 pixels; two photographs differ in 90 or more (BSDS500).
MAX_DIFFERENT_BITS = 63
# The root mean square between their thumbnails is at most so many 8-bit levels: 5 after the same, 10 at 64 pixels; 14.5
# and more between two photographs. It tells apart simple pictures, whose low frequencies are few.
MAX_DIFFERENCE = 14.0

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
        shown: dict[str, tuple[Facts, str]] = {}  # by digest
        for view in tests:
            if role in view.pictures:
                shown.setdefault(view.pictures[role].sha256, (view.pictures[role], view.place))
        mine = {view.pictures[role].sha256: view.pictures[role] for view in training if role in view.pictures}
        near = _copies([facts for facts in mine.values() if facts.sha256 not in shown], list(shown.values()))
        for number, view in enumerate(training):
            if number in leaks or role not in view.pictures:
                continue
            sha256 = view.pictures[role].sha256
            if sha256 in shown:
                leaks[number] = Leak(number, f"its {ROLES[role]} is that of {shown[sha256][1]}")
            elif sha256 in near:
                leaks[number] = Leak(number, f"its {ROLES[role]} looks like that of {near[sha256]}")
    return [leaks[number] for number in sorted(leaks)]


def _copies(mine: Sequence[Facts], shown: Sequence[tuple[Facts, str]]) -> dict[str, str]:
    """By digest of those of `mine` that look like one of `shown` (picture, place): its place."""
    copies: dict[str, str] = {}
    for row, column in alike(mine, [facts for facts, _ in shown]):
        copies.setdefault(mine[row].sha256, shown[column][1])
    return copies


def alike(some: Sequence[Facts], others: Sequence[Facts]) -> Iterator[tuple[int, int]]:
    """Numbers (in `some`, in `others`) of pictures that look alike. Even areas look like nothing."""
    rows, columns = ([n for n, facts in enumerate(each) if facts.hash] for each in (some, others))
    if not rows or not columns:
        return
    wanted = _bits(others[n].hash for n in columns)
    # Blocks keep the table of distances small, however many pictures there are.
    size = max(1, 2**20 // len(columns))
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        differing = np.bitwise_count(_bits(some[n].hash for n in block)[:, None] ^ wanted).sum(-1, dtype=np.int64)
        for row, column in np.argwhere(differing <= MAX_DIFFERENT_BITS):
            one, other = block[row], columns[column]
            if _difference(some[one], others[other]) <= MAX_DIFFERENCE:
                yield one, other


def _bits(hashes: Iterable[str]) -> NDArray[np.uint64]:
    """(N, 4) words of N hashes."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint64).reshape(-1, 4)


def _difference(a: Facts, b: Facts) -> float:
    """Of two thumbnails: root mean square, 8-bit levels."""
    one, other = (np.frombuffer(bytes.fromhex(facts.thumbnail), dtype=np.uint8).astype(float) for facts in (a, b))
    return float(np.sqrt(np.mean((one - other) ** 2)))
