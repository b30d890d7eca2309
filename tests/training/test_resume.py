"""Trainings and importances that are interrupted anywhere, and go on to the bytes of those that are not."""

import copy
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from derain.config.training import TrainingSection
from derain.data.patches import PatchSampler
from derain.method.distillation import Distillation
from derain.method.losses import LOSSES
from derain.method.penalty import Penalty
from derain.networks import weights
from derain.training.checkpoint import Checkpoint
from derain.training.importance import importance_sum
from derain.training.job import Job
from derain.training.log import Log
from derain.training.loop import train
from derain.training.table import follow
from entry import Files, run_script
from events import scalars
from recipes import CONFIG, recipe_of, replaced

pytestmark = pytest.mark.numerical

RECIPE = TrainingSection(
    steps=9, batch=2, patch=16, loss="l1", learning_rate=1e-2, warmup=3, log_every=2, validate_every=3
)


class Killed(BaseException):
    """What nothing catches."""


def _checkpoint(tmp_path, every=0.0, decided_by=None):
    return Checkpoint(str(tmp_path / "result"), decided_by or {}, every, lambda: None, lambda line: None)


def _terms(network):
    """Penalty and distillation, anchored where the stage starts."""
    stars = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    penalty = Penalty(stars, {name: torch.ones_like(star) for name, star in stars.items()}, "squared", "loss_units")
    teacher = Distillation(network, LOSSES["l1"])
    return {
        "penalty": lambda moving, seen: 0.1 * penalty(moving),
        "distillation": lambda moving, seen: 0.5 * teacher(seen.rainy, seen.output),
    }


def _attempt(tiny, pairs, recipe, folder, checkpoint, kill_after=None, workers=0):
    """One attempt at a stage; θ of it, or Killed once `kill_after` was told and its checkpoint written."""
    network = copy.deepcopy(tiny)
    terms = _terms(network)
    batches = PatchSampler(pairs, recipe.patch, recipe.batch, (0, 1, 1))

    def steps():
        for progress in train(network, batches, recipe, terms, workers, checkpoint):
            if kill_after is not None and progress.step > kill_after:
                raise Killed
            yield progress

    table, log = folder / "training.csv", folder / "log"
    done, history = (checkpoint.done, checkpoint.history) if checkpoint else (0, [])
    lines = Log(log, "net/a", recipe.steps, done, False, folder)
    follow(steps(), network, recipe, recipe.steps, pairs, table, history, lines)
    return {name: array.tobytes() for name, array in weights.of_network(network).items()}


def _without_seconds(table):
    lines = [line.split(",") for line in table.read_text(encoding="utf-8").splitlines()]
    assert lines[0][-2:] == ["images_per_second", "seconds"]
    return [line[:-2] for line in lines]


CASES = [
    *((optimizer, "cosine", 0, k) for optimizer in ("adam", "adamw", "sgd") for k in (1, 5)),
    *(("adam", "multistep", 0, k) for k in (2, 3, 8)),
    ("adam", "cosine", 2, 4),
]


@pytest.mark.parametrize(("optimizer", "schedule", "workers", "kill_after"), CASES)
def test_a_stage_killed_after_any_step_ends_with_the_bytes_and_the_table_of_one_that_was_not(
    optimizer, schedule, workers, kill_after, tiny, pairs, tmp_path
):
    recipe = replaced(RECIPE, optimizer=optimizer, schedule=schedule)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    undisturbed = _attempt(tiny, pairs, recipe, whole, None)
    with pytest.raises(Killed):
        _attempt(tiny, pairs, recipe, cut, _checkpoint(cut), kill_after, workers)
    (cut / "training.csv").unlink()  # as the engine does
    checkpoint = _checkpoint(cut)
    assert checkpoint.done == kill_after
    assert _attempt(tiny, pairs, recipe, cut, checkpoint, workers=workers) == undisturbed
    assert _without_seconds(cut / "training.csv") == _without_seconds(whole / "training.csv")


def test_a_stage_killed_at_every_step_ends_the_same(tiny, pairs, tmp_path):
    undisturbed = _attempt(tiny, pairs, RECIPE, tmp_path, None)
    for step in range(1, RECIPE.steps):
        with pytest.raises(Killed):
            _attempt(tiny, pairs, RECIPE, tmp_path, _checkpoint(tmp_path), step)
    assert _attempt(tiny, pairs, RECIPE, tmp_path, _checkpoint(tmp_path)) == undisturbed


def test_a_stage_whose_end_was_not_noted_trains_no_step_again(tiny, pairs, tmp_path):
    """Killed between the end of the training and the note of the engine, who then deletes θ and table."""
    undisturbed = _attempt(tiny, pairs, RECIPE, tmp_path, _checkpoint(tmp_path, every=1000))
    table = (tmp_path / "training.csv").read_bytes()
    (tmp_path / "training.csv").unlink()
    checkpoint = _checkpoint(tmp_path)
    assert checkpoint.done == RECIPE.steps
    assert _attempt(tiny, pairs, RECIPE, tmp_path, checkpoint, kill_after=0) == undisturbed
    assert (tmp_path / "training.csv").read_bytes() == table


def test_seconds_are_those_behind_the_steps_over_all_attempts_and_never_run_backwards(tiny, pairs, tmp_path):
    batches = PatchSampler(pairs, RECIPE.patch, RECIPE.batch, (0, 1, 1))
    first = list(itertools.islice(train(copy.deepcopy(tiny), batches, RECIPE, {}, 0, _checkpoint(tmp_path)), 5))
    again = _checkpoint(tmp_path)
    second = list(train(copy.deepcopy(tiny), batches, RECIPE, {}, 0, again))
    assert [progress.step for progress in second] == [5, 6, 7, 8, 9]  # the fifth was told and not yet written
    assert again.state["seconds"] == first[3].seconds
    times = [progress.seconds for progress in first[:4] + second]
    assert times == sorted(times)


def test_a_checkpoint_changes_no_number(tiny, pairs, tmp_path):
    assert _attempt(tiny, pairs, RECIPE, tmp_path, _checkpoint(tmp_path)) == _attempt(
        tiny, pairs, RECIPE, tmp_path, None
    )


@pytest.mark.parametrize("power", ["absolute", "squared"])
def test_an_importance_killed_after_any_summand_has_the_sums_of_one_that_was_not(power, tiny, pairs, tmp_path):
    batches = PatchSampler(pairs, 16, 1, (0, 2, 1))
    mine = range(1, 11, 2)
    whole, count = importance_sum(tiny, (batches[n] for n in mine), LOSSES["l1"], power)

    def until(last):
        for n in mine[checkpoint.done :]:
            if n == last:
                raise Killed
            yield batches[n]

    for last in (5, 7, None):
        checkpoint = _checkpoint(tmp_path)
        if last is not None:
            with pytest.raises(Killed):
                importance_sum(tiny, until(last), LOSSES["l1"], power, checkpoint)
            continue
        assert checkpoint.done == 3
        sums, again = importance_sum(tiny, until(None), LOSSES["l1"], power, checkpoint)
    assert again == count == 5
    for name, part in whole.items():
        assert part.dtype == torch.float64
        np.testing.assert_array_equal(sums[name].numpy(), part.numpy())


# --- entry scripts


NETWORK = {"backbone": "prenet", "stages": 2, "channels": 4, "blocks": 1}


def _first(folder, steps=4, **resources):
    """The job of a first stage in a folder; its files."""
    changes = {"log_every": 1, "validate_every": 100, "checkpoint_every": 1000, "tensorboard": True}
    training = replaced(RECIPE, steps=steps, **changes)
    recipe = recipe_of(training, depth=1, network=NETWORK).plain()
    files = Files(theta=str(folder / "theta.safetensors"), table=str(folder / "training.csv"))
    run_script(
        "first",
        input=Files(tables=[], pixels=[]),
        output=files,
        log=[str(folder / "log")],
        params=Files(recipe=recipe, weights=None),
        config=CONFIG | {"training": training.model_dump(mode="json")},
        resources=resources,
    )
    return files


def test_a_job_ends_before_its_time_limit_in_one_line_and_attempts_add_up(pairs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Job, "pairs", lambda job, split: pairs)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    expected = _first(whole)
    for step in (1, 2, 3):  # no time at all: a step an attempt
        with pytest.raises(SystemExit) as ended:
            _first(cut, runtime=0.0001)
        assert ended.value.code == 1
        told = capsys.readouterr().err.splitlines()[-1]
        why = "before its resources.runtime of 0.0001 min is over"
        assert (
            told == f"error: {cut}/theta.safetensors: stopped after step {step} ({why}); the next attempt goes on there"
        )
        assert not (cut / "theta.safetensors").exists()
    found = _first(cut, runtime=0.0001)
    assert Path(found.theta).read_bytes() == Path(expected.theta).read_bytes()
    assert _without_seconds(cut / "training.csv") == _without_seconds(whole / "training.csv")
    told, expected_events = scalars(cut), scalars(whole)
    assert [step for step, _ in told["reconstruction"]] == [1, 2, 3, 4]
    assert told.pop("images_per_second") != expected_events.pop("images_per_second")
    assert told == expected_events


def test_a_checkpoint_of_another_recipe_is_told_in_the_log_and_not_used(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(Job, "pairs", lambda job, split: pairs)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    _first(whole)
    with pytest.raises(SystemExit):
        _first(cut, steps=5, runtime=0.0001)
    (cut / "log").unlink()  # as the engine does
    _first(cut)
    first_line = (cut / "log").read_text(encoding="utf-8").splitlines()[0]
    assert "theta.safetensors.checkpoint: is of another configuration, data or version" in first_line
    assert (cut / "theta.safetensors").read_bytes() == (whole / "theta.safetensors").read_bytes()
