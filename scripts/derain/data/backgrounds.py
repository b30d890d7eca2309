"""Which scenes show one background, whatever their names: repackaged sets copy a clean image for each of its rains."""

from collections.abc import Iterable, Mapping, Sequence

from derain.data.inspection import Facts, Inspection
from derain.data.leaks import alike
from derain.data.samples import Picture, Sample

# Every clean image is compared with every other one: 20,000 take some seconds. Of more, only equal pixels are found.
MOST_COMPARED = 20_000


def same_backgrounds(samples: Sequence[Sample], inspections: Mapping[str, Inspection]) -> dict[str, str]:
    """By scene: the first, by name, of those that share its background. Scenes share one where a clean or a rainy image
    of theirs has equal pixels, or where clean images look alike (derain.data.leaks).
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
    found: dict[Facts, set[str]] = {}
    for picture, scene in pairs:
        facts = inspections[picture[0]].pictures.get(picture[1]) if picture else None
        if facts:
            found.setdefault(facts, set()).add(scene)
    return found


def _joined(groups: Iterable[set[str]]) -> dict[str, str]:
    """By element: the least of all that groups join it with, directly or over others."""
    joined: dict[str, set[str]] = {}
    for group in groups:
        together = set().union(*(joined.get(element, {element}) for element in group))
        if any(joined.get(element) != together for element in group):
            joined |= dict.fromkeys(together, together)
    return {element: min(together) for element, together in joined.items()}
