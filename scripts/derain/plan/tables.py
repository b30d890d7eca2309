"""The list of tables over all stages, put together from files of stages."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from derain.curriculum import (
    BLEND_TABLE,
    SCORES,
    STRENGTH_TABLE,
    THEORY_TABLE,
    THETA,
    TRAINING_TABLE,
    Stage,
    predecessor,
)
from derain.evaluation.source import PLAIN, Source
from derain.plan.plan import Plan


@dataclass(frozen=True)
class Table:
    """A table that rule `gather` puts together: tables/<name>.csv; its caption is in docs/captions/gather.rst.

    make: "module:function", called with the sources; digits: format of its numbers, None for all digits.
    """

    name: str
    title: str
    make: str
    sources: Callable[[Plan], list[Source]]
    digits: str | None = None

    @property
    def module(self) -> str:
        """The module of its function."""
        return self.make.partition(":")[0]


def _each(stages: Iterable[Stage], file: str) -> list[Source]:
    return [(of_stage.plain(), [of_stage.file(file)]) for of_stage in stages]


def _before_and_after(plan: Plan) -> list[Source]:
    """θ before and after each stage with a past."""
    pairs = [(predecessor(after), after) for after in plan.stages_with_past]
    return [(b.plain(), [of_stage.file(THETA) for of_stage in (a, b)]) for a, b in pairs if a]


def _omegas(plan: Plan) -> list[Source]:
    """Each Ω of a stage's own dataset that a later stage needs."""
    return [
        (of_stage.plain() | {"importance": kind}, [of_stage.file(f"omega-{kind}.safetensors")])
        for of_stage, kind in plan.omegas
    ]


def _chords(plan: Plan) -> list[Source]:
    """Each stage whose blends are scored: the scores of the stage before it, its own, and those of the blends."""
    line = plan.experiment.finetuning
    return [
        (
            after.plain()
            | {"line": after.method == line, "blends": [(b.importance or PLAIN, b.alpha) for b in plan.blends]},
            [
                *(file for of in (before, after) for file in plan.of_stage(of, SCORES)),
                *(after.file(blend.file) for blend in plan.blends),
            ],
        )
        for after in plan.chorded
        if (before := predecessor(after))
    ]


# A new table needs a line here and its function.
TABLES = (
    Table("training", "training curves", "derain.evaluation.gathered:gather",
          lambda plan: _each(plan.trained, TRAINING_TABLE)),
    Table("moves", "how far each layer moved", "derain.evaluation.layers:moves", _before_and_after, "%.6g"),
    Table("omega-layers", "importance by layer", "derain.evaluation.layers:importance", _omegas, "%.6g"),
    Table("omega-distribution", "distribution of importance", "derain.evaluation.layers:distribution", _omegas, "%.6g"),
    Table("omega-overlap", "overlap of importance between datasets", "derain.evaluation.layers:overlaps",
          _omegas, "%.6g"),
    Table("strengths", "choices of strengths", "derain.evaluation.gathered:gather",
          lambda plan: _each(plan.searched, STRENGTH_TABLE)),
    Table("blends", "choices of blends", "derain.evaluation.gathered:gather",
          lambda plan: _each(plan.mixed, BLEND_TABLE)),
    Table("theory", "loss changes against the theory", "derain.evaluation.gathered:gather",
          lambda plan: _each(plan.diagnosed, THEORY_TABLE)),
    Table("theory-correlations", "correlations with the theory", "derain.evaluation.correlations:of_stages",
          lambda plan: _each(plan.diagnosed, THEORY_TABLE), "%.6f"),
    Table("chord", "blends of stages", "derain.evaluation.chord:chord_table", _chords, "%.6f"),
)  # fmt: skip
