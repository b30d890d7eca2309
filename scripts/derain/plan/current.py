"""Which files of an experiment are those that its config, data and code make. A reader beside a run has to ask this,
because a file that exists may be of another config, or of a θ that was replaced.
"""

from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

from derain.curriculum import STRENGTH_TABLE, THETA, predecessor
from derain.errors import UserError
from derain.files.digest import file_digest
from derain.files.metadata import metadata, recipe_digest
from derain.plan.artifacts import TRAININGS, Artifact
from derain.plan.page import PagePlan
from derain.plan.plan import beside
from derain.plan.sources import packed_digest


class Records(Protocol):
    """Records of the jobs that made files, as in derain.engine.recorded."""

    def made(self, file: str, *params: Any) -> bool:
        """Whether the record of a file has these values among the params of its job, and the safetensors files that the
        job has read were not replaced since.
        """

    def digest(self, file: str) -> str | None:
        """sha256 of the file when its job ended; None where that is not known."""


class Current:
    """Called with a file of the page, returns whether it is there and made by the plan: by its recipe, from files that
    are made so, too.

    page: its plan has sources. θ and Ω have their recipe and the digests of the files that they were made from in their
    metadata; other files have them in their records.
    """

    def __init__(self, page: PagePlan, records: Records) -> None:
        self.page, self.plan, self._records = page, page.plan, records
        self._datasets = page.content["datasets"]
        self._digest = cache(file_digest)
        self._made = cache(self._is_made)
        self._stages = set(self.plan.thetas)

    def __call__(self, file: str) -> bool:
        """Whether the file is current."""
        return Path(file).is_file() and self._made(file)

    def _is_made(self, file: str) -> bool:
        if file in self.plan.made:
            return self._is_artifact(self.plan.made[file])
        if file in self._measured:
            params, made_from = self._measured[file]
            return self._records.made(file, *params) and all(
                self._is_parent(self.plan.made[each]) for each in made_from
            )
        if file in self._stores:
            return packed_digest(file) == self._stores[file]
        if file in self._pixels:
            return True  # a reader compares them with the table beside them
        return self(str(Path(file).with_name(THETA)))  # the job that makes θ also writes the tables beside it

    def _is_artifact(self, artifact: Artifact) -> bool:
        try:
            recorded = metadata(artifact.file)
        except UserError:
            return False
        if recipe_digest(recorded) not in artifact.recipes:
            return False
        digests, parents = recorded.get("parents", {}), _lasting(artifact)
        if artifact.rule in TRAININGS and digests.keys() != parents.keys():
            return False  # trained with a state that the plan has not, or without one that it has
        if artifact.rule == "adopt":
            candidates = [Path(each.file) for each in artifact.each_parent]
            deleted = not all(each.is_file() for each in candidates)
            return self(_choice(artifact.file)) and (
                deleted or self._digest(artifact.file) in map(self._digest, map(str, candidates))
            )
        return all(self._is_parent(parent, digests.get(name)) for name, parent in parents.items())

    def _is_parent(self, parent: Artifact, digest: str | None = None) -> bool:
        """Whether a file (of this digest, if it is known) was made by the plan. A file that is no θ of a stage may have
        been deleted; its record and what it was made from then decide.
        """
        if Path(parent.file).is_file():
            return self(parent.file) and digest in (None, self._digest(parent.file))
        return (
            parent.file not in self._stages
            and digest in (None, self._records.digest(parent.file))
            and self._records.made(parent.file, parent.recipe.plain())
            and all(map(self._is_parent, _lasting(parent).values()))
        )

    @cached_property
    def _stores(self) -> dict[str, str]:
        """The digest of the test pairs of each dataset, by their table."""
        return {files["pairs"]: files["digest"] for files in self._datasets.values()}

    @cached_property
    def _pixels(self) -> set[str]:
        return {files["pixels"] for files in self._datasets.values()}

    @cached_property
    def _measured(self) -> dict[str, tuple[list[Any], list[str]]]:
        """Values among the params of the job that makes a file, and the safetensors files that it is made from: of
        tables and previews of stages, scores of rainy inputs, and pages of photographs.
        """
        plan, ssim = self.plan, self.plan.experiment.evaluation.ssim
        found: dict[str, tuple[list[Any], list[str]]] = {
            files["rainy"]: ([ssim, files["digest"]], []) for files in self._datasets.values()
        }
        for measured in plan.measured:
            for file in measured.files:
                found[file] = [measured.recipe.plain()], measured.made_from
        for of in plan.searched:
            theta, before = plan.artifacts.theta(of), predecessor(of)
            made_from = [*(each.file for each in theta.each_parent), *([before.file(THETA)] if before else [])]
            found[_choice(theta.file)] = [theta.recipe.plain()], made_from
        return found


def _choice(theta: str) -> str:
    """The table of the choice among candidates for θ."""
    return beside(theta, STRENGTH_TABLE)


def _lasting(artifact: Artifact) -> dict[str, Artifact]:
    """The parents of an artifact by name. Shards, which are deleted, have the parents of their Ω."""
    found: dict[str, Artifact] = {}
    for name, parent in artifact.parents.items():
        if isinstance(parent, Artifact):
            found[name] = parent
        else:
            found |= _lasting(parent[0])
    return found
