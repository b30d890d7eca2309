import csv
import itertools

import numpy as np
import pytest
import torch
from derain.config.training import TrainingSection
from derain.evaluation.psnr import psnr
from derain.evaluation.validation import validate
from derain.training.log import Log
from derain.training.loop import Progress
from derain.training.table import follow
from events import scalars
from torch import nn

SETTINGS = TrainingSection(steps=7, batch=4, log_every=2, validate_every=3)


class Identity(nn.Module):
    def __init__(self):
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))

    def forward(self, rainy):
        return rainy


def _steps():
    for step in range(1, SETTINGS.steps + 1):
        terms = {"reconstruction": -0.5 / step, "penalty": 0.25 * step}
        yield Progress(step=step, terms=terms, psnr_rgb_db=20 + step, learning_rate=1e-3, seconds=step / 2)


def _follow(steps, pairs, folder, done=0, history=(), events=False):
    log = Log(folder / "log", "net/a", SETTINGS.steps, done, events, folder)
    history = history if isinstance(history, list) else []
    follow(steps, Identity(), SETTINGS, SETTINGS.steps, pairs, folder / "table.csv", history, log)


@pytest.fixture
def followed(tmp_path, pairs):
    _follow(_steps(), pairs, tmp_path)
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file)), (tmp_path / "log").read_text(encoding="utf-8").splitlines()


def test_the_table_has_the_first_the_last_every_logged_and_every_validated_step(followed):
    assert [int(row["step"]) for row in followed[0]] == [1, 2, 3, 4, 6, 7]


def test_the_loss_terms_stand_apart_and_speed_is_images_over_seconds(followed):
    for row in followed[0]:
        step = int(row["step"])
        assert float(row["reconstruction"]) == pytest.approx(-0.5 / step, rel=1e-5)
        assert float(row["penalty"]) == 0.25 * step
        assert float(row["images_per_second"]) == pytest.approx(4 * step / (step / 2))


def test_validation_stands_where_it_was_measured(followed, pairs):
    expected = np.mean([psnr(rainy.astype(float), clean.astype(float)) for rainy, clean in pairs])
    for row in followed[0]:
        if int(row["step"]) in (3, 6, 7):
            assert float(row["validation_psnr_rgb_db"]) == pytest.approx(expected, rel=1e-5)
        else:
            assert row["validation_psnr_rgb_db"] == ""


def test_the_log_is_a_plain_line_a_row_with_step_terms_psnr_speed_and_time_left(followed):
    rows, lines = followed
    assert len(lines) == len(rows)
    assert lines[1] == "net/a  step 2/7  reconstruction -0.2500  penalty 0.5000  psnr 22.00 dB  8 images/s  2 s left"
    assert all(line.isprintable() for line in lines)


def test_event_files_have_every_number_of_the_table_once_whatever_an_interrupted_attempt_had_told(tmp_path, pairs):
    def attempt(steps, done, history):
        _follow(steps, pairs, tmp_path, done, history, events=True)

    def killed():
        yield from itertools.islice(_steps(), 6)
        raise KeyboardInterrupt

    history = []
    with pytest.raises(KeyboardInterrupt):
        attempt(killed(), 0, history)
    assert [step for step, _ in scalars(tmp_path)["penalty"]] == [1, 2, 3, 4, 6]
    kept = history[:4]  # a checkpoint after step 3
    attempt(itertools.islice(_steps(), 3, None), 3, kept)
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "6", "7"]
    found = scalars(tmp_path)
    assert found.keys() == rows[0].keys() - {"step", "seconds"}
    for name, values in found.items():
        in_table = [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        assert values == [(step, pytest.approx(value, rel=1e-6)) for step, value in in_table]


def test_without_event_files_an_earlier_training_leaves_none(tmp_path, pairs):
    (tmp_path / "events.out.tfevents.1.host").touch()
    _follow(_steps(), pairs, tmp_path)
    assert not list(tmp_path.glob("events*"))


def test_validation_is_the_mean_psnr_of_the_outputs_in_rgb(pairs):
    found = validate(Identity(), pairs)
    assert found == pytest.approx(np.mean([psnr(a.astype(float), b.astype(float)) for a, b in pairs]))
