"""What the datasets on disk are now, found before any job: what is amiss, what leaks, and a manifest of each.

The manifest (results/datasets/<dataset>/manifest.csv) lists the pairs that the experiment uses, with digests of their
pixels. Digests of it are all that the rules know of a dataset, so a stage is trained anew where its training pairs
changed, scored anew where its test pairs changed, and nowhere else. The Snakefile's main process writes it rather than
a rule: a rule that runs takes along all that follows it, also where it came to the same result.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import PIL
from derain.data.checks import check_pairs
from derain.data.discovery import discover, hold_out
from derain.data.findings import ERROR, NOTICE, WARNING, Finding, write_findings
from derain.data.inspected import inspected
from derain.data.inspection import Inspection
from derain.data.leaks import CLEAN, RAINY, Leak, View, find_leaks
from derain.data.rendered import root_of
from derain.data.samples import USES, Sample, read_manifest, write_manifest
from derain.errors import UserError
from derain.files.cache import read_cache, write_cache
from derain.files.digest import file_digest


@dataclass
class Looked:
    """A dataset as it was found."""

    section: dict[str, Any]
    samples: list[Sample]
    inspections: dict[str, Inspection]
    findings: list[Finding] = field(default_factory=list)

    def view(self, dataset: str, sample: Sample) -> View:
        """What can give a sample away."""
        roles = {RAINY: sample.rainy_picture, CLEAN: sample.clean_picture}
        pictures = {role: self.inspections[at[0]].pictures[at[1]] for role, at in roles.items() if at}
        return View(f"{dataset}/{sample.split}, {sample.name}", pictures)


class Sources:
    """sources[dataset] → digest of its manifest, in any process; `check()` makes the manifests, in the main one.

    sections: of the config, by dataset, as plain values; trained: datasets that an order trains on; patch: side of
    training patches, pixels; on_leakage: "error", "warn" or "drop"; folder: of the results' datasets; code_digest:
    digests of modules by name (derain.plan.codedigest).
    """

    def __init__(
        self,
        sections: Mapping[str, dict[str, Any]],
        trained: Sequence[str],
        patch: int,
        on_leakage: str,
        folder: Path,
        code_digest: Callable[..., dict[str, str]],
    ) -> None:
        self.sections, self.trained, self.patch, self.on_leakage = sections, trained, patch, on_leakage
        self.folder, self._code_digest = folder, code_digest
        self._pairs = cache(self._digest_pairs)

    def __getitem__(self, dataset: str) -> str:
        manifest = self.folder / dataset / "manifest.csv"
        return file_digest(manifest) if manifest.is_file() else ""

    def pairs(self, dataset: str, use: str) -> str:
        """Digest of the pairs for one of USES: names, sizes and pixels, wherever their files lie.

        Of rendered pairs the photograph, the recipe and the code that renders stand for the pixels.
        """
        return self._pairs(dataset, use)

    def _digest_pairs(self, dataset: str, use: str) -> str:
        manifest = self.folder / dataset / "manifest.csv"
        if not manifest.is_file():
            return ""
        samples = [sample for sample in read_manifest(manifest) if sample.split in USES[use]]
        rows = [
            [s.split, s.scene, s.name, s.height, s.width, s.recipe, s.rainy_sha256, s.clean_sha256] for s in samples
        ]
        rendering = self._code_digest("derain.data.rendered") if any(sample.recipe for sample in samples) else {}
        return hashlib.sha256(json.dumps([rows, rendering]).encode()).hexdigest()[:16]

    def check(self) -> None:
        """Look at all datasets that the experiment uses, and write their findings and manifests.

        Raises UserError with a line for each fault; then the manifests stay as they were.
        """
        looked = {name: self._look(name) for name in self.sections}
        self._settle_leaks(looked)
        for name, dataset in looked.items():
            dataset.samples, findings = hold_out(dataset.samples, dataset.section)
            dataset.findings += [*findings, *self._emptied(name, dataset)]
            write_findings(self.folder / name / "findings.csv", dataset.findings)
        errors = [
            f"datasets.{name}: {finding}"
            for name, dataset in looked.items()
            for finding in dataset.findings
            if finding.severity == ERROR
        ]
        if errors:
            raise UserError("\n".join(dict.fromkeys(errors)))
        for name, dataset in looked.items():
            write_manifest(self.folder / name / "manifest.csv", dataset.samples)

    def _look(self, name: str) -> Looked:
        section = self.sections[name]
        samples, findings = discover(section, name in self.trained)
        cache = self.folder / name / "files.json"
        inspections = inspected(root_of(section), samples, cache, self._version(), f"checking {name}")
        small_images = section.get("small_images", "refuse")
        sound, faults = check_pairs(samples, inspections, self.patch, small_images)
        return Looked(section, sound, inspections, [*findings, *faults])

    def _settle_leaks(self, looked: dict[str, Looked]) -> None:
        """Name the training pairs that are those of a test, and leave them out where the config says so."""
        training = [(name, s) for name, each in looked.items() for s in each.samples if s.split in USES["training"]]
        tests = [(name, s) for name, each in looked.items() for s in each.samples if s.split == "test"]
        leaks = self._leaks(
            [looked[name].view(name, sample) for name, sample in training],
            [looked[name].view(name, sample) for name, sample in tests],
        )
        decision = self.on_leakage
        severity, ending = {
            "error": (ERROR, "; `on_leakage: drop` leaves it out"),
            "warn": (WARNING, ""),
            "drop": (NOTICE, "; left out"),
        }[decision]
        for leak in leaks:
            name, sample = training[leak.number]
            file = sample.rainy or sample.clean
            looked[name].findings.append(Finding(severity, sample.split, file, f"{leak.text}{ending}"))
        for name, each in looked.items():
            leaking = {training[leak.number][1] for leak in leaks if training[leak.number][0] == name}
            if leaking and decision == "drop":
                each.samples = [sample for sample in each.samples if sample not in leaking]
            if leaking and decision != "error":
                what = "are left out of" if decision == "drop" else "stay in"
                table = self.folder / name / "findings.csv"
                text = f"datasets.{name}: {len(leaking)} pairs that test pairs give away {what} training ({table})"
                print(f"{'notice' if decision == 'drop' else 'warning'}: {text}", file=sys.stderr)

    def _leaks(self, training: list[View], tests: list[View]) -> list[Leak]:
        """Those of find_leaks, which is not asked twice about the same pictures."""
        asked = [
            [(view.place, *((role, facts.sha256) for role, facts in view.pictures.items())) for view in views]
            for views in (training, tests)
        ]
        key = hashlib.sha256(json.dumps([asked, self._version()]).encode()).hexdigest()
        cache = self.folder / "leaks.json"
        kept = read_cache(cache, key)
        if kept is not None:
            return [Leak(**leak) for leak in kept]
        leaks = find_leaks(training, tests)
        write_cache(cache, key, [asdict(leak) for leak in leaks])
        return leaks

    def _emptied(self, name: str, dataset: Looked) -> Iterable[Finding]:
        """A split that is needed, of which nothing is left; silent where a fault already tells why."""
        needed = ["test", "train"] if name in self.trained else ["test"]
        splits = {sample.split for sample in dataset.samples}
        told = {finding.split for finding in dataset.findings if finding.severity == ERROR}
        return [Finding(ERROR, split, "", f"no {split} pair is left") for split in needed if split not in splits | told]

    def _version(self) -> str:
        """What else decides an inspection: the code, and the library that decodes."""
        code = json.dumps(self._code_digest("derain.data.inspection", "derain.data.leaks"))
        return f"{code} Pillow {PIL.__version__}"
