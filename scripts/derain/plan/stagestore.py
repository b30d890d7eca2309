"""Which stages come from the stage store (derain.files.stagestore), where every entry is named by the key of a file."""

import re
from collections.abc import Mapping
from pathlib import Path

from derain.curriculum import NOTHING
from derain.files.stagestore import CONTENTS
from derain.plan.artifacts import Artifact


class StageStore:
    """Where files of stages belong in the folder; without a folder, nowhere.

    made: the artifacts of an experiment by file; decided: whether another process has decided what is taken, and tells
    by the rule of each job. It must not be asked again: in the meantime entries come and go.
    """

    def __init__(self, folder: Path | None, made: Mapping[str, Artifact], decided: bool) -> None:
        self.folder, self.made, self.decided = folder, made, decided

    def entry(self, artifact: Artifact) -> str:
        """The entry that holds, or is to hold, a file of the results; empty without a store."""
        return "" if self.folder is None else str(self.folder / artifact.key[:2] / artifact.key)

    def held(self, *rules: str, end: str) -> str:
        """A regular expression for the files that rules make and that may be taken instead: below results/, without
        `end`.
        """
        found = [file for file, artifact in self.made.items() if artifact.rule in rules and self._holds(artifact)]
        return "|".join(re.escape(file.removeprefix("results/").removesuffix(end)) for file in found) or NOTHING

    def _holds(self, artifact: Artifact) -> bool:
        return self.folder is not None and (self.decided or Path(self.entry(artifact), CONTENTS).is_file())
