"""Selects the files to take from the stage store (derain.files.stagestore). Its entries are named by `Artifact.key`."""

import re
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path

from derain.curriculum import NOTHING, TRAINING_TABLE
from derain.errors import UserError, print_and_log
from derain.files.digest import file_digest
from derain.files.metadata import head, metadata, recipe_digest
from derain.files.regular import open_regular
from derain.files.stagestore import examined, refused, there
from derain.plan.artifacts import SHARDS, TRAININGS, Artifact


class StageStore:
    """The stage store of an experiment. folder: its folder, None for no store.

    made: the artifacts of the experiment by file; decided: True in jobs. The main process has then decided which files
    are taken, by the rule of each job. The store is not examined again, because its entries may have changed.
    """

    def __init__(self, folder: Path | None, made: Mapping[str, Artifact], decided: bool) -> None:
        self.folder, self.made, self.decided = folder, made, decided
        self._digest = cache(file_digest)

    def entry(self, artifact: Artifact) -> str:
        """Path of an artifact's entry in the store (the entry may not exist yet); "" without a store."""
        return "" if self.folder is None else str(self.folder / artifact.key[:2] / artifact.key)

    def held(self, *rules: str, end: str) -> str:
        """A regular expression for the files of these rules that may be taken from the store: paths below results/,
        without the suffix `end`.
        """
        found = [file for file, artifact in self._held.items() if artifact.rule in rules]
        places = (file.removeprefix("results/").removesuffix(end).rstrip("/") for file in found)
        return "|".join(map(re.escape, places)) or NOTHING

    @cached_property
    def _held(self) -> dict[str, Artifact]:
        """The artifacts that may be taken, by file. Unusable entries are reported in one line and not changed."""
        if self.folder is None:
            return {}
        stored = {file: artifact for file, artifact in self.made.items() if artifact.rule in (*TRAININGS, SHARDS)}
        if self.decided:
            return stored
        found, faults = {}, []
        for file, artifact in stored.items():
            try:
                if self._holds(artifact):
                    found[file] = artifact
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                faults.append(f"{self.entry(artifact)}: is not taken, its stage is trained here ({reason})")
        if faults:
            more = f"; and {len(faults) - 1} more" if len(faults) > 1 else ""
            print_and_log(f"{faults[0]}{more}", None)
        return found

    def _holds(self, artifact: Artifact) -> bool:
        """Whether the store has an entry of the artifact. Raises OSError or ValueError if the entry is unusable."""
        entry = Path(self.entry(artifact))
        if not there(entry):
            return False
        if self._is_current(self._merged.get(artifact.file, artifact)):  # then no job will take the entry
            return True
        name = Path(artifact.file).name
        examined(entry, {name} if artifact.rule == SHARDS else {name, TRAINING_TABLE})
        if refused(entry, artifact.file):
            raise ValueError("could not be taken by an earlier run")
        with open_regular(entry / name, links=False) as file:
            recorded = head(file)
        if recipe_digest(recorded) not in artifact.recipes:
            raise ValueError("it was made by another recipe")
        here = {self._digest(parent.file) for parent in artifact.each_parent if self._is_current(parent)}
        if not here.issubset(recorded.get("parents", {}).values()):
            raise ValueError("it descends from other files than those here")
        return True

    @cached_property
    def _merged(self) -> dict[str, Artifact]:
        """The Ω of each shard, by file of the shard. Shards are deleted once their Ω exists."""
        merged = (artifact for artifact in self.made.values() if artifact.rule == "importance")
        return {shard.file: artifact for artifact in merged for shard in artifact.each_parent}

    def _is_current(self, artifact: Artifact) -> bool:
        """Whether the file exists and was made by its planned recipe."""
        try:
            return recipe_digest(metadata(artifact.file)) in artifact.recipes
        except UserError:
            return False
