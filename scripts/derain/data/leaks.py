"""Search for leaks: training pairs whose rainy image or clean background also occurs in a test pair."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from derain.data.inspection import Facts
from numpy.typing import NDArray

# Two pictures count as the same if both limits hold.
# Differing bits of the 255-bit hashes, at most a quarter. A crop by one pixel and JPEG 10 change 24 bits of a Rain100
# photograph and 50 bits of one of 64 pixels; two different photographs of BSDS500 differ in at least 90 bits.
MAX_DIFFERENT_BITS = 63
# Root mean square difference of the thumbnails, 8-bit levels: 5 after the same crop and JPEG, 10 at 64 pixels; at least
# 14.5 between two different photographs. It separates simple pictures, which have few low frequencies.
MAX_DIFFERENCE = 14.0

RAINY, CLEAN = "rainy", "clean"
ROLES = {RAINY: "rainy image", CLEAN: "clean background"}
EQUAL, NEAR = "is", "looks like"  # that of a test pair


@dataclass(frozen=True)
class View:
    """The pictures of a pair for comparison. place: name of the pair in messages; pictures: by role (RAINY, CLEAN)."""

    place: str
    pictures: Mapping[str, Facts]


@dataclass(frozen=True)
class Leak:
    """A leaking training pair: its index, and text that says which picture it shares with which test pair."""

    number: int
    text: str


def find_leaks(training: Sequence[View], tests: Iterable[View]) -> list[Leak]:
    """Training pairs whose rainy image or clean background is also that of a test pair.

    Pictures are compared by digest, then by perceptual hash and thumbnail, so that neither re-encoding nor a crop by a
    few pixels hides a copy. Returns at most one leak per training pair, sorted by index.
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
                leaks[number] = Leak(number, _text(role, EQUAL, shown[sha256][1]))
            elif sha256 in near:
                leaks[number] = Leak(number, _text(role, NEAR, near[sha256]))
    return [leaks[number] for number in sorted(leaks)]


def _text(role: str, how: str, place: str) -> str:
    return f"its {ROLES[role]} {how} that of {place}"


def count_leaks(texts: Sequence[str], how: str) -> int:
    """The number of these texts that are of leaks: by equal pixels (EQUAL) or near copies (NEAR)."""
    return sum(text.startswith(tuple(_text(role, how, "") for role in ROLES)) for text in texts)


def _copies(mine: Sequence[Facts], shown: Sequence[tuple[Facts, str]]) -> dict[str, str]:
    """For pictures of `mine` that look like one of `shown`, given as (picture, place): map digest to that place."""
    copies: dict[str, str] = {}
    for row, column in alike(mine, [facts for facts, _ in shown]):
        copies.setdefault(mine[row].sha256, shown[column][1])
    return copies


def alike(some: Sequence[Facts], others: Sequence[Facts]) -> Iterator[tuple[int, int]]:
    """Index pairs (in `some`, in `others`) of pictures that look alike. A uniform picture, whose hash is "", never
    matches.
    """
    rows, columns = ([n for n, facts in enumerate(each) if facts.hash] for each in (some, others))
    if not rows or not columns:
        return
    wanted = _bits(others[n].hash for n in columns)
    # Rows are compared in blocks: the table of distances stays small for any number of pictures.
    size = max(1, 2**20 // len(columns))
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        differing = np.bitwise_count(_bits(some[n].hash for n in block)[:, None] ^ wanted).sum(-1, dtype=np.int64)
        for row, column in np.argwhere(differing <= MAX_DIFFERENT_BITS):
            one, other = block[row], columns[column]
            if difference(some[one], others[other]) <= MAX_DIFFERENCE:
                yield one, other


def _bits(hashes: Iterable[str]) -> NDArray[np.uint64]:
    """N hashes as words, (N, 4) uint64."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint64).reshape(-1, 4)


def difference(a: Facts, b: Facts) -> float:
    """Root mean square difference of two thumbnails, 8-bit levels."""
    one, other = (np.frombuffer(bytes.fromhex(facts.thumbnail), dtype=np.uint8).astype(float) for facts in (a, b))
    return float(np.sqrt(np.mean((one - other) ** 2)))
