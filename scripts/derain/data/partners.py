"""Search for pairs whose two images do not belong together, such as those of a list that slipped by a line."""

from collections.abc import Iterable, Mapping

from derain.data.backgrounds import MOST_COMPARED
from derain.data.inspection import Facts, Inspection
from derain.data.leaks import alike
from derain.data.samples import Sample


def wrong_partners(samples: Iterable[Sample], inspections: Mapping[str, Inspection]) -> dict[str, str]:
    """Map rainy files that look like the clean image of another pair, and not like their own, to that clean file.

    Files whose own clean image looks like the other one are left out, as are very large datasets. Rain that hides the
    background is a reason to find nothing, never one to find a pair.
    """
    clean: dict[str, tuple[Facts, str]] = {}  # by digest
    odd: list[tuple[Sample, Facts, Facts]] = []
    for sample in samples:
        if sample.rainy_picture and sample.clean_picture:
            shown, own = (inspections[file].pictures[part] for file, part in sample.pictures)
            clean.setdefault(own.sha256, (own, sample.clean))
            if not any(alike([shown], [own])):
                odd.append((sample, shown, own))
    if len(odd) * len(clean) > MOST_COMPARED**2:
        return {}
    others = list(clean.values())
    found: dict[str, str] = {}
    for row, column in alike([shown for _, shown, _ in odd], [facts for facts, _ in others]):
        sample, _, own = odd[row]
        other, file = others[column]
        if not any(alike([own], [other])):
            found.setdefault(sample.rainy, file)
    return found
