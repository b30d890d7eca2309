"""Inspection of all datasets before the first job: faults, leaks, and a manifest for each dataset.

The manifest (results/datasets/<dataset>/manifest.csv) lists the pairs that the experiment uses, with digests of their
pixels. The rules see only digests of the pairs: a change of training pairs retrains the stages that use them, a change
of test pairs reruns the scores, and nothing else reruns. The main process of a run writes the manifest, not a rule:
Snakemake reruns everything downstream of a rule that ran, even if its output is unchanged. A dry run or another command
that only looks writes nothing while a run is active.
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
from derain.data.cached import Keep
from derain.data.checks import check_clean, check_pairs
from derain.data.discovery import complete_pairs, discover, divide, hold_out
from derain.data.draws import source_of
from derain.data.findings import ERROR, NOTICE, WARNING, Finding, write_findings
from derain.data.inspected import inspected
from derain.data.inspection import Inspection
from derain.data.leaks import CLEAN, RAINY, Leak, View, find_leaks
from derain.data.partners import wrong_partners
from derain.data.rendering import code_of
from derain.data.roots import has_photographs, root_of
from derain.data.samples import USES, Sample, write_manifest
from derain.data.store import pairs_digest
from derain.errors import UserError
from derain.files.cache import read_cache, write_cache
from derain.files.digest import file_digest


@dataclass
class Looked:
    """An inspected dataset: its config section, valid samples, inspections by file, and findings."""

    section: dict[str, Any]
    samples: list[Sample]
    inspections: dict[str, Inspection]
    findings: list[Finding] = field(default_factory=list)

    def view(self, dataset: str, sample: Sample) -> View:
        """The pictures of a sample, for the search for leaks."""
        roles = {RAINY: sample.rainy_picture, CLEAN: sample.clean_picture}
        pictures = {role: self.inspections[at[0]].pictures[at[1]] for role, at in roles.items() if at}
        return View(f"{dataset}/{sample.split}, {sample.name}", pictures)


class Sources:
    """Digests of manifests (`sources[dataset]`), pairs, findings, initial weights and network classes.

    In the main process `check()` computes them. Jobs get the main process's `digests` instead, because the files may
    have changed since the run began.

    sections: config sections by dataset, as plain values; ordered: datasets of the orders; trained: those whose
    training pairs are used; patch: side of training patches, pixels; on_leakage: "error", "warn" or "drop"; weights:
    files that networks start from; classes: digests of network classes, by place; folder: results/datasets;
    code_digest: function from module names to their digests (derain.plan.codedigest).
    """

    def __init__(
        self,
        *,
        sections: Mapping[str, dict[str, Any]],
        ordered: Sequence[str],
        trained: Sequence[str],
        patch: int,
        on_leakage: str,
        weights: Sequence[Path],
        classes: Mapping[str, str],
        folder: Path,
        code_digest: Callable[..., dict[str, str]],
        digests: dict[str, dict[str, str]] | None,
    ) -> None:
        self.sections, self.ordered, self.trained = sections, ordered, trained
        self.patch, self.on_leakage = patch, on_leakage
        self.folder, self._weights, self._classes, self._code_digest = folder, weights, classes, code_digest
        self.digests = digests or {}

    def __getitem__(self, dataset: str) -> str:
        return self.digests["manifests"][dataset]

    def pairs(self, dataset: str, use: str) -> str:
        """Digest of a dataset's pairs for one of USES (see `pairs_digest`)."""
        return self.digests[use][dataset]

    def findings(self, dataset: str) -> str:
        """Digest of the findings about a dataset."""
        return self.digests["findings"][dataset]

    def weights(self, file: Path) -> str:
        """Digest of a file of initial weights."""
        return self.digests["weights"][str(file)]

    def source(self, place: str) -> str:
        """Digest of the source of a network class (derain.files.source)."""
        return self.digests["classes"][place]

    def check(self, keep: Keep) -> None:
        """Inspect all datasets that the experiment uses, and compute the digests.

        keep: gets functions that write findings, manifests and caches, and calls them unless the command must not
        write. Raises UserError with a line for each fault; the manifests then stay unchanged.
        """
        looked = {name: self._look(name, keep) for name in self.sections}
        self._settle_leaks(looked, keep)
        for name, dataset in looked.items():
            self._warn_of_validation(name, dataset, keep)
            dataset.samples, findings = hold_out(dataset.samples, dataset.section)
            dataset.findings += [*findings, *self._emptied(name, dataset)]
        self._complete_pairs(looked)
        for name, dataset in looked.items():
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
            **self.of_files(),
        }

    def of_files(self) -> dict[str, dict[str, str]]:
        """The digests of the files of initial weights on disk, and of network classes."""
        weights = {str(file): file_digest(file) for file in self._weights}
        return {"weights": weights, "classes": dict(self._classes)}

    def _look(self, name: str, keep: Keep) -> Looked:
        """Find, inspect and check the samples of a dataset."""
        section, trained = self.sections[name], name in self.trained
        samples, findings = discover(section, trained)
        for finding in findings:
            if finding.severity == WARNING:
                print(f"warning: datasets.{name}: {finding}", file=sys.stderr)
        cache = self.folder / name / "files.json"
        inspections = inspected(root_of(section), samples, cache, self._version(), f"checking {name}", keep)
        background = self._backgrounds(name, samples, inspections, keep)
        samples, missing = divide(samples, section, trained, background)
        bare = check_clean(samples, name in self.ordered)
        small_images = section.get("small_images", "refuse")
        sound, faults = check_pairs(samples, inspections, self.patch, small_images)
        strange = self._of_partners(name, sound, inspections, keep)
        return Looked(section, sound, inspections, [*findings, *missing, *bare, *faults, *strange])

    def _settle_leaks(self, looked: dict[str, Looked], keep: Keep) -> None:
        """Add a finding for each pair that leaks (see `find_leaks`); with `on_leakage: drop`, remove these pairs."""
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
            "error": (ERROR, "; `on_leakage: drop` leaves it out, `warn` trains on it"),
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
                text = f"datasets.{name}: {len(leaking)} pairs that also occur in a test set {what} training ({table})"
                print(f"{'notice' if decision == 'drop' else 'warning'}: {text}", file=sys.stderr)

    def _warn_of_validation(self, name: str, dataset: Looked, keep: Keep) -> None:
        """Add a warning for each training pair that also occurs in the validation split of the dataset."""
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
            text = f"datasets.{name}: {len(leaks)} training pairs also occur in the validation split ({table})"
            print(f"warning: {text}", file=sys.stderr)

    def _complete_pairs(self, looked: dict[str, Looked]) -> None:
        """Complete the recipes of rendered pairs. Datasets whose layers others take come first."""
        sources = {name: source_of(dataset.section.get("rain")) for name, dataset in looked.items()}
        for name in sorted(looked, key=lambda name: sources[name] is not None):
            dataset, source = looked[name], sources[name]
            if source and any(finding.severity == ERROR for finding in looked[source].findings):
                continue  # without its pairs there is no layer to draw
            pairs = {source: looked[source].samples} if source else {}
            samples, findings = complete_pairs(dataset.samples, dataset.section, pairs)
            dataset.samples = [self._with_code(sample) for sample in samples]
            dataset.findings += findings

    def _with_code(self, sample: Sample) -> Sample:
        """The sample with the digests of the code that renders it in its recipe, if it has one."""
        if not sample.recipe:
            return sample
        code = {"code": self._code_digest(code_of(sample.recipe))}
        return replace(sample, recipe=json.dumps(json.loads(sample.recipe) | code))

    def _leaks(self, training: list[View], tests: list[View], cache: Path, keep: Keep) -> list[Leak]:
        """Result of `find_leaks`, cached for the same pictures."""
        asked = [
            [(view.place, *((role, facts.sha256) for role, facts in view.pictures.items())) for view in views]
            for views in (training, tests)
        ]
        found = self._kept(cache, asked, lambda: [asdict(leak) for leak in find_leaks(training, tests)], keep)
        return [Leak(**leak) for leak in found]

    def _backgrounds(
        self, name: str, samples: list[Sample], inspections: dict[str, Inspection], keep: Keep
    ) -> dict[str, str]:
        """Result of `same_backgrounds` for the training samples, cached for the same pictures."""
        training = [sample for sample in samples if sample.split == "train" and not sample.recipe]
        if not training:
            return {}
        pictures = [picture for sample in training for picture in sample.pictures]
        sha256 = [facts.sha256 for file, part in pictures if (facts := inspections[file].pictures.get(part))]
        asked = [[[sample.scene, sample.pictures] for sample in training], sha256]
        cache = self.folder / name / "backgrounds.json"
        found: dict[str, str] = self._kept(cache, asked, lambda: same_backgrounds(training, inspections), keep)
        return found

    def _of_partners(
        self, name: str, samples: list[Sample], inspections: dict[str, Inspection], keep: Keep
    ) -> list[Finding]:
        """A warning for each result of `wrong_partners`, cached for the same pairs."""
        pairs = [s for s in samples if s.rainy and s.clean]
        if not pairs:
            return []
        asked = [[s.rainy, s.clean, s.rainy_sha256, s.clean_sha256] for s in pairs]
        cache = self.folder / name / "partners.json"
        wrong: dict[str, str] = self._kept(cache, asked, lambda: wrong_partners(pairs, inspections), keep)
        if wrong:
            table = self.folder / name / "findings.csv"
            text = f"{len(wrong)} rainy images look like the clean image of another pair, and not like their own"
            print(f"warning: datasets.{name}: {text} ({table})", file=sys.stderr)
        return [
            Finding(WARNING, s.split, s.rainy, f"looks like {wrong[s.rainy]}, and not like its clean partner {s.clean}")
            for s in pairs
            if s.rainy in wrong
        ]

    def _kept(self, cache: Path, asked: Any, answer: Callable[[], Any], keep: Keep) -> Any:
        """The cached answer (JSON values) for the same `asked` and code; else answer(), which is then cached."""
        key = hashlib.sha256(json.dumps([asked, self._version()]).encode()).hexdigest()
        kept = read_cache(cache, key)
        if kept is not None:
            return kept
        found = answer()
        keep(lambda: write_cache(cache, key, found))
        return found

    def _emptied(self, name: str, dataset: Looked) -> Iterable[Finding]:
        """An error for each needed split without samples, unless another error about that split explains it."""
        needed = ["test", "train"] if name in self.trained else ["test"]
        splits = {sample.split for sample in dataset.samples}
        if has_photographs(dataset.section) and any(finding.severity == ERROR for finding in dataset.findings):
            return []  # all splits come from one list of files
        reported = {finding.split for finding in dataset.findings if finding.severity == ERROR}
        return [
            Finding(ERROR, split, "", f"no {split} pair is left") for split in needed if split not in splits | reported
        ]

    def _version(self) -> str:
        """The code and the decoding library that decide an inspection, as text for cache keys."""
        code = json.dumps(
            self._code_digest("derain.data.inspection", "derain.data.backgrounds", "derain.data.partners")
        )
        return f"{code} Pillow {PIL.__version__}"


def _digest(rows: Iterable[object]) -> str:
    return hashlib.sha256(json.dumps(list(rows)).encode()).hexdigest()[:16]
