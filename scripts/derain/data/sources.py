"""What the datasets on disk are now, found before any job: what is amiss, what leaks, and a manifest of each.

The manifest (results/datasets/<dataset>/manifest.csv) lists the pairs that the experiment uses, with digests of their
pixels. Digests of it are all that the rules know of a dataset, so a stage is trained anew where its training pairs
changed, scored anew where its test pairs changed, and nowhere else. The main process of a run writes it rather than a
rule: a rule that runs takes along all that follows it, also where it came to the same result. Who only plans beside a
run writes nothing.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import PIL
from derain.data.backgrounds import same_backgrounds
from derain.data.checks import check_pairs
from derain.data.discovery import discover, divide, hold_out
from derain.data.findings import ERROR, NOTICE, WARNING, Finding, write_findings
from derain.data.inspected import Keep, inspected
from derain.data.inspection import Inspection
from derain.data.leaks import CLEAN, RAINY, Leak, View, find_leaks
from derain.data.rendered import root_of
from derain.data.samples import USES, Sample, write_manifest
from derain.data.store import pairs_digest
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
    """sources[dataset] → digest of its manifest, sources.pairs(…) and sources.weights(…) likewise.

    In the main process `check()` finds what they are of. The jobs of a run are given `digests`, those of its main
    process: by the time that they begin, the files may be others.

    sections: of the config, by dataset, as plain values; trained: datasets that an order trains on; patch: side of
    training patches, pixels; on_leakage: "error", "warn" or "drop"; weights: files that networks start from; folder: of
    the results' datasets; code_digest: digests of modules by name (derain.plan.codedigest).
    """

    def __init__(
        self,
        sections: Mapping[str, dict[str, Any]],
        trained: Sequence[str],
        patch: int,
        on_leakage: str,
        weights: Sequence[Path],
        folder: Path,
        code_digest: Callable[..., dict[str, str]],
        digests: dict[str, dict[str, str]] | None,
    ) -> None:
        self.sections, self.trained, self.patch, self.on_leakage = sections, trained, patch, on_leakage
        self.folder, self._weights, self._code_digest = folder, weights, code_digest
        self.digests = digests or {}

    def __getitem__(self, dataset: str) -> str:
        return self.digests["manifests"][dataset]

    def pairs(self, dataset: str, use: str) -> str:
        """Digest of the pairs for one of USES (see `pairs_digest`)."""
        return self.digests[use][dataset]

    def findings(self, dataset: str) -> str:
        """Digest of what is amiss with a dataset."""
        return self.digests["findings"][dataset]

    def weights(self, file: Path) -> str:
        """Digest of a file of weights that networks start from."""
        return self.digests["weights"][str(file)]

    def check(self, keep: Keep) -> None:
        """Look at all datasets that the experiment uses.

        keep: calls, or does not, what writes their findings, their manifests, and what need not be looked at again.
        Raises UserError with a line for each fault; then the manifests stay as they were.
        """
        looked = {name: self._look(name, keep) for name in self.sections}
        self._settle_leaks(looked, keep)
        for name, dataset in looked.items():
            self._warn_of_validation(name, dataset, keep)
            dataset.samples, findings = hold_out(dataset.samples, dataset.section)
            dataset.findings += [*findings, *self._emptied(name, dataset)]
            keep(partial(write_findings, self.folder / name / "findings.csv", dataset.findings))
        errors = [
            f"datasets.{name}: {finding}"
            for name, dataset in looked.items()
            for finding in dataset.findings
            if finding.severity == ERROR
        ]
        if errors:
            raise UserError("\n".join(dict.fromkeys(errors)))
        for name, dataset in looked.items():
            keep(partial(write_manifest, self.folder / name / "manifest.csv", dataset.samples))
        self.digests = {
            **{
                use: {
                    name: pairs_digest(sample for sample in dataset.samples if sample.split in splits)
                    for name, dataset in looked.items()
                }
                for use, splits in USES.items()
            },
            "manifests": {name: _digest(map(astuple, dataset.samples)) for name, dataset in looked.items()},
            "findings": {name: _digest(map(astuple, dataset.findings)) for name, dataset in looked.items()},
            "weights": {str(file): file_digest(file) for file in self._weights},
        }

    def _look(self, name: str, keep: Keep) -> Looked:
        section, trained = self.sections[name], name in self.trained
        samples, findings = discover(section, trained)
        rendering = self._code_digest("derain.data.rendered") if any(sample.recipe for sample in samples) else {}
        samples = [
            replace(sample, recipe=json.dumps(json.loads(sample.recipe) | {"code": rendering}))
            if sample.recipe
            else sample
            for sample in samples
        ]
        cache = self.folder / name / "files.json"
        inspections = inspected(root_of(section), samples, cache, self._version(), f"checking {name}", keep)
        background = self._backgrounds(name, samples, inspections, keep)
        samples, missing = divide(samples, section, trained, background)
        small_images = section.get("small_images", "refuse")
        sound, faults = check_pairs(samples, inspections, self.patch, small_images)
        return Looked(section, sound, inspections, [*findings, *missing, *faults])

    def _settle_leaks(self, looked: dict[str, Looked], keep: Keep) -> None:
        """Name the training pairs that are those of a test, and leave them out where the config says so."""
        training = [(name, s) for name, each in looked.items() for s in each.samples if s.split in USES["training"]]
        tests = [(name, s) for name, each in looked.items() for s in each.samples if s.split == "test"]
        leaks = self._leaks(
            [looked[name].view(name, sample) for name, sample in training],
            [looked[name].view(name, sample) for name, sample in tests],
            self.folder / "leaks.json",
            keep,
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

    def _warn_of_validation(self, name: str, dataset: Looked, keep: Keep) -> None:
        """Name the training pairs that are those of a validation split which the dataset comes with."""
        training, validation = (
            [sample for sample in dataset.samples if sample.split == split] for split in ("train", "validation")
        )
        if not validation:
            return
        leaks = self._leaks(
            [dataset.view(name, sample) for sample in training],
            [dataset.view(name, sample) for sample in validation],
            self.folder / name / "leaks.json",
            keep,
        )
        for leak in leaks:
            sample = training[leak.number]
            dataset.findings.append(Finding(WARNING, "train", sample.rainy or sample.clean, leak.text))
        if leaks:
            table = self.folder / name / "findings.csv"
            text = f"datasets.{name}: {len(leaks)} training pairs are given away by validation pairs ({table})"
            print(f"warning: {text}", file=sys.stderr)

    def _leaks(self, training: list[View], tests: list[View], cache: Path, keep: Keep) -> list[Leak]:
        """Those of find_leaks, which is not asked twice about the same pictures."""
        asked = [
            [(view.place, *((role, facts.sha256) for role, facts in view.pictures.items())) for view in views]
            for views in (training, tests)
        ]
        found = self._kept(cache, asked, lambda: [asdict(leak) for leak in find_leaks(training, tests)], keep)
        return [Leak(**leak) for leak in found]

    def _backgrounds(
        self, name: str, samples: list[Sample], inspections: dict[str, Inspection], keep: Keep
    ) -> dict[str, str]:
        """Those of same_backgrounds, of training samples, which is not asked twice about the same pictures."""
        training = [sample for sample in samples if sample.split == "train" and not sample.recipe]
        if not training:
            return {}
        pictures = [picture for sample in training for picture in sample.pictures]
        sha256 = [facts.sha256 for file, part in pictures if (facts := inspections[file].pictures.get(part))]
        asked = [[[sample.scene, sample.pictures] for sample in training], sha256]
        cache = self.folder / name / "backgrounds.json"
        found: dict[str, str] = self._kept(cache, asked, lambda: same_backgrounds(training, inspections), keep)
        return found

    def _kept(self, cache: Path, asked: Any, answer: Callable[[], Any], keep: Keep) -> Any:
        """The answer (JSON values) that the cache holds, where it is to what is asked; else answer()."""
        key = hashlib.sha256(json.dumps([asked, self._version()]).encode()).hexdigest()
        kept = read_cache(cache, key)
        if kept is not None:
            return kept
        found = answer()
        keep(lambda: write_cache(cache, key, found))
        return found

    def _emptied(self, name: str, dataset: Looked) -> Iterable[Finding]:
        """A split that is needed, of which nothing is left; silent where a fault already tells why."""
        needed = ["test", "train"] if name in self.trained else ["test"]
        splits = {sample.split for sample in dataset.samples}
        told = {finding.split for finding in dataset.findings if finding.severity == ERROR}
        return [Finding(ERROR, split, "", f"no {split} pair is left") for split in needed if split not in splits | told]

    def _version(self) -> str:
        """What else decides an inspection: the code, and the library that decodes."""
        code = json.dumps(self._code_digest("derain.data.inspection", "derain.data.backgrounds"))
        return f"{code} Pillow {PIL.__version__}"


def _digest(rows: Iterable[object]) -> str:
    return hashlib.sha256(json.dumps(list(rows)).encode()).hexdigest()[:16]
