"""Grouping of scenes that show the same background under different names. Repackaged sets copy a clean image for each
of its rains.
"""

from collections.abc import Iterable, Mapping, Sequence

from derain.data.inspection import Facts, Inspection
from derain.data.leaks import alike
from derain.data.samples import Picture, Sample

# Clean images are compared pairwise: 20,000 take a few seconds. In larger sets only images with equal pixels are found.
MOST_COMPARED = 20_000


def same_backgrounds(samples: Sequence[Sample], inspections: Mapping[str, Inspection]) -> dict[str, str]:
    """Map each scene to the first name (alphabetically) among the scenes with the same background. Scenes share a
    background if two of their clean images, or two of their rainy ones, have equal pixels, or if two of their clean
    images look alike (derain.data.leaks).
    """
    clean = _scenes_by_picture(((sample.clean_picture, sample.scene) for sample in samples), inspections)
    rainy = _scenes_by_picture(((sample.rainy_picture, sample.scene) for sample in samples), inspections)
    groups = [*clean.values(), *rainy.values()]
    pictures = list(clean)
    if len(pictures) <= MOST_COMPARED:
        groups += [{*clean[pictures[a]], *clean[pictures[b]]} for a, b in alike(pictures, pictures) if a < b]
    return _joined(groups)


def _scenes_by_picture(
    pairs: Iterable[tuple[Picture | None, str]], inspections: Mapping[str, Inspection]
) -> dict[Facts, set[str]]:
    """The scenes of each distinct picture."""
    found: dict[Facts, set[str]] = {}
    for picture, scene in pairs:
        facts = inspections[picture[0]].pictures.get(picture[1]) if picture else None
        if facts:
            found.setdefault(facts, set()).add(scene)
    return found


def _joined(groups: Iterable[set[str]]) -> dict[str, str]:
    """Merge overlapping groups; map each element to the smallest element of its merged group."""
    joined: dict[str, set[str]] = {}
    for group in groups:
        together = set().union(*(joined.get(element, {element}) for element in group))
        if any(joined.get(element) != together for element in group):
            joined |= dict.fromkeys(together, together)
    return {element: min(together) for element, together in joined.items()}
