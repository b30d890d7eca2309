"""Pairing of files on disk by the places of a layout. Images are not opened here."""

from collections.abc import Iterable
from pathlib import Path

from derain.data.findings import ERROR, NOTICE, Finding
from derain.data.layouts import ASK, LAYOUTS, Place
from derain.data.lists import is_there, listed_pairs
from derain.data.matching import Excluded, Found, Match, find, levels
from derain.data.samples import Sample


class Folders:
    """Pairs below a root, and the findings about the files.

    own: places by split from the config; a split without one uses the places of `layout`; half: the clean half of
    side-by-side images, for layouts that leave it open; excluded: which paths to ignore.
    """

    def __init__(self, root: Path, layout: str, own: dict[str, Place], half: str | None, excluded: Excluded) -> None:
        self.root, self.half, self.excluded = root, half, excluded
        self.places = {
            split: [place] if place else LAYOUTS.get(layout, {}).get(split, []) for split, place in own.items()
        }
        self.findings: list[Finding] = []

    def pairs(self, split: str) -> list[Sample]:
        """The pairs of a split, sorted by path or in the order of the list. Faults are added to `findings`."""
        for place in self.places[split]:
            samples = self._at(split, place)
            if samples or any(finding.severity == ERROR for finding in self.findings if finding.split == split):
                return samples
        # A layout may lack a validation split, but not a split that is needed.
        if self.places[split] and split != "validation":
            expected = " or ".join(self._wanted(split, place) for place in self.places[split])
            self._add(ERROR, split, "", f"no image found below {self.root}; expected {expected}")
        return []

    def _at(self, split: str, place: Place) -> list[Sample]:
        if "list" in place:
            pairs = listed_pairs(self.root, place["list"], split, place.get("split", split), self.excluded)
            self.findings += [Finding(ERROR, split, file, text) for file, text in pairs.amiss]
            return pairs.samples
        if "side_by_side" in place:
            half = str(self.half or place["clean"])
            found = self._find(split, place["side_by_side"])
            if half == ASK and found:
                self._add(ERROR, split, found[0].path, "say which half is the clean image: `clean: left` or right")
                return []
            return [Sample(split, match.scene, match.path, match.path, match.path, half) for match in found]
        rainy = self._find(split, place["rainy"])
        if not rainy or not place.get("clean"):
            return [Sample(split, match.scene, match.path, match.path, "") for match in rainy]
        return self._partners(split, rainy, place["rainy"], place["clean"])

    def _find(self, split: str, pattern: str) -> list[Match]:
        """The files that match a pattern, one for each scene and rain; duplicates are findings."""
        found: Found = find(self.root, pattern)
        self.findings += [Finding(s, split, path, text) for s, path, text in found.amiss if not self.excluded(path)]
        first: dict[tuple[str, str], Match] = {}
        for match in found.files:
            if self.excluded(match.path):
                continue
            other = first.setdefault((match.scene, match.rain), match)
            if other is not match:
                hint = "exclude one, or distinguish them by {rain}"
                self._add(ERROR, split, match.path, f"has the same scene and rain as {other.path}; {hint}")
        return list(first.values())

    def _partners(self, split: str, rainy: Iterable[Match], rainy_pattern: str, pattern: str) -> list[Sample]:
        # If both patterns contain {rain}, the same scene name under different rains means different scenes.
        by_rain = "{rain}" in pattern

        def scene(match: Match) -> str:
            return f"{match.rain}/{match.scene}" if by_rain else match.scene

        clean = {scene(match): match for match in self._find(split, pattern)}
        if not clean:  # not this place; `pairs` tries the next one of the layout
            return []
        # Folder levels that are just "*" on both sides are the same folders, as cities in RainCityscapes.
        same = rainy_pattern.split("/").count("*") == pattern.split("/").count("*")
        samples = []
        for match in rainy:
            partner, texts = clean.get(scene(match)), levels(rainy_pattern, match.path) if same else []
            if partner and (not same or levels(pattern, partner.path) == texts):
                samples.append(Sample(split, scene(match), match.path, match.path, partner.path))
            else:
                self._add(ERROR, split, match.path, f"has no clean partner {_expected(pattern, match, texts)}")
        used = {sample.clean for sample in samples}
        for match in clean.values():
            if match.path not in used:
                self._add(NOTICE, split, match.path, "has no rainy partner; passed over")
        return samples

    def _wanted(self, split: str, place: Place) -> str:
        if "list" in place:
            lacks = f"gives no {split} pair" if is_there(self.root, place["list"]) else "does not exist"
            return f"the list {place['list']!r}, which {lacks}"
        if "rainy" in place:
            return repr(place["rainy"]) + (f" with {place['clean']!r}" if place.get("clean") else "")
        return repr(place["side_by_side"])

    def _add(self, severity: str, split: str, file: str, text: str) -> None:
        self.findings.append(Finding(severity, split, file, text))


def _expected(pattern: str, match: Match, texts: Iterable[str]) -> str:
    """The pattern with what the rainy image gives. texts: for its folder levels "*"; if empty, these stay."""
    given = iter(texts)
    folders = "/".join(next(given, part) if part == "*" else part for part in pattern.split("/"))
    return folders.replace("{scene}", match.scene).replace("{rain}", match.rain)
