"""What the datasets on disk are now: a digest of each, found cheaply, and what is wrong with them before any job."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from derain.config import Experiment
from derain.data.samples import Sample, samples
from derain.errors import UserError


class SourceDigests:
    """sources[dataset] → digest of its section of the config and of the bytes of its files.

    A file is hashed again only where its size, its times or its inode changed; `folder`/<dataset>/listing.json keeps
    the hashes. The change time is among them, which no tool sets back: the same size and the same modification time
    do not hide new bytes, and a mere touch changes no digest.
    """

    def __init__(self, experiment: Experiment, folder: Path) -> None:
        self.experiment, self.folder = experiment, folder
        self.samples = cache(self._samples)
        self.digest = cache(self._digest)

    def __getitem__(self, dataset: str) -> str:
        return self.digest(dataset)

    def check(self) -> None:
        """Raises UserError with one line for each fault of the datasets that the experiment uses."""
        faults = []
        for name in self.experiment.scored_datasets:
            try:
                found = self.samples(name)
            except UserError as error:
                faults.append(f"datasets.{name}: {error}")
                continue
            if name in self.experiment.trained_datasets:
                faults += [f"datasets.{name}: {fault}" for fault in self._training_faults(found)]
        if faults:
            raise UserError("\n".join(faults))

    def _training_faults(self, found: Iterable[Sample]) -> list[str]:
        patch = self.experiment.training.patch
        training = [sample for sample in found if sample.split == "train"]
        smallest = min(training, key=lambda sample: min(sample.height, sample.width))
        if min(smallest.height, smallest.width) >= patch:
            return []
        return [
            f"training.patch is {patch}, but the training image {smallest.name} has only "
            f"{smallest.height}×{smallest.width} pixels"
        ]

    def _samples(self, dataset: str) -> list[Sample]:
        return list(samples(self.experiment.datasets[dataset].model_dump(mode="json")))

    def _digest(self, dataset: str) -> str:
        files = dict.fromkeys(file for sample in self.samples(dataset) for file in sample.files)
        known_path = self.folder / dataset / "listing.json"
        known = json.loads(known_path.read_text(encoding="utf-8")) if known_path.is_file() else {}
        now = {}
        for file in files:
            status = file.stat()
            stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
            before = known.get(str(file))
            now[str(file)] = before if before and before[0] == stamp else [stamp, _hash(file)]
        if now != known:
            known_path.parent.mkdir(parents=True, exist_ok=True)
            partial = known_path.with_suffix(".partial")
            partial.write_text(json.dumps(now), encoding="utf-8")
            partial.replace(known_path)
        section = self.experiment.datasets[dataset].model_dump_json(exclude={"root"})
        # Which bytes play which part; where the root is does not matter.
        parts = [(s.split, s.scene, s.name, *(now[str(file)][1] for file in s.files)) for s in self.samples(dataset)]
        return hashlib.sha256(json.dumps([section, parts]).encode()).hexdigest()


def _hash(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
