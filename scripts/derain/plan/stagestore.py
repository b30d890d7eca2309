"""Which stages come from the stage store (derain.files.stagestore), where every entry is named by the key of a file."""

import re
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path

from derain.curriculum import NOTHING, TRAINING_TABLE
from derain.errors import UserError, tell
from derain.files.digest import file_digest
from derain.files.metadata import head, metadata, recipe_digest
from derain.files.regular import open_regular
from derain.files.stagestore import examined, refused, there
from derain.plan.artifacts import Artifact

TRAININGS = ("first", "next", "candidate", "joint")
SHARDS = "importance_shard"


class StageStore:
    """Where files of stages belong in the folder; without a folder, nowhere.

    made: the artifacts of an experiment by file; decided: whether another process has decided what is taken, and tells
    by the rule of each job. It must not be asked again: in the meantime entries come and go.
    """

    def __init__(self, folder: Path | None, made: Mapping[str, Artifact], decided: bool) -> None:
        self.folder, self.made, self.decided = folder, made, decided
        self._digest = cache(file_digest)

    def entry(self, artifact: Artifact) -> str:
        """The entry that holds, or is to hold, a file of the results; empty without a store."""
        return "" if self.folder is None else str(self.folder / artifact.key[:2] / artifact.key)

    def held(self, *rules: str, end: str) -> str:
        """A regular expression for the files that rules make and that may be taken instead: below results/, without
        `end`.
        """
        found = [file for file, artifact in self._held.items() if artifact.rule in rules]
        places = (file.removeprefix("results/").removesuffix(end).rstrip("/") for file in found)
        return "|".join(map(re.escape, places)) or NOTHING

    @cached_property
    def _held(self) -> dict[str, Artifact]:
        """What may be taken. What the store has and cannot be used is told in a line, and left as it is."""
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
            tell(f"{faults[0]}{more}", None)
        return found

    def _holds(self, artifact: Artifact) -> bool:
        """Whether there is an entry. Raises OSError or ValueError where there is one that is of no use."""
        entry = Path(self.entry(artifact))
        if not there(entry):
            return False
        if self._is_current(self._merged.get(artifact.file, artifact)):  # then nobody is going to take it
            return True
        name = Path(artifact.file).name
        examined(entry, {name} if artifact.rule == SHARDS else {name, TRAINING_TABLE})
        if refused(entry, artifact.file):
            raise ValueError("could not be taken by an earlier run")
        with open_regular(entry / name, links=False) as file:
            told = head(file)
        if recipe_digest(told) not in artifact.recipes:
            raise ValueError("it was made by another recipe")
        here = {self._digest(parent.file) for parent in artifact.ancestors if self._is_current(parent)}
        if not here.issubset(told.get("parents", {}).values()):
            raise ValueError("it descends from other files than those here")
        return True

    @cached_property
    def _merged(self) -> dict[str, Artifact]:
        """Each Ω by its shards, which are deleted once it is there."""
        merged = (artifact for artifact in self.made.values() if artifact.rule == "importance")
        return {shard.file: artifact for artifact in merged for shard in artifact.ancestors}

    def _is_current(self, artifact: Artifact) -> bool:
        """Whether a file is there as it is planned."""
        try:
            return recipe_digest(metadata(artifact.file)) in artifact.recipes
        except UserError:
            return False
