"""The table of a training, training.csv: a row for each logged step."""

import csv
from collections.abc import Iterable
from pathlib import Path

from torch import nn

from derain.config.training import TrainingSection
from derain.data.store import PackedPairs
from derain.evaluation.validation import validate
from derain.files.rows import field_text
from derain.training.compiled import not_compiled
from derain.training.log import Log
from derain.training.loop import Progress


def follow(
    steps: Iterable[Progress],
    network: nn.Module,
    settings: TrainingSection,
    total: int,
    validation: PackedPairs,
    table: Path,
    history: list[list[str]],
    log: Log,
) -> None:
    """Run a training (`steps`) of `total` steps to its end; write a row of the table and a log line for logged steps.

    history: the lines of the table that earlier attempts wrote; new lines are appended to it.

    Columns of the table: step, each loss term as it enters the sum, psnr_rgb_db of the batch, validation_psnr_rgb_db
    (mean over held-out training pairs; empty where not measured), learning_rate, images_per_second, seconds.
    """
    with table.open("w", newline="", encoding="utf-8") as file, log.open(history):
        rows = csv.writer(file, lineterminator="\n")
        rows.writerows(history)
        for progress in steps:
            log.advance()
            last = progress.step == total
            if not is_logged(progress.step, total, settings):
                continue
            validated = None
            if progress.step % settings.validate_every == 0 or last:
                with not_compiled(settings.compile):
                    validated = validate(network, validation)
            row = _row(progress, validated, settings.batch)
            new = [list(row.values())] if history else [list(row), list(row.values())]
            history += new
            rows.writerows(new)
            file.flush()
            log.add(progress, row)


def is_logged(step: int, total: int, settings: TrainingSection) -> bool:
    """Whether the table has a row of a step: of the first and the last one, of every `log_every`, and of every one with
    a validation.
    """
    return step in (1, total) or step % settings.log_every == 0 or step % settings.validate_every == 0


def _row(progress: Progress, validated: float | None, batch: int) -> dict[str, str]:
    values = {
        **progress.terms,
        "psnr_rgb_db": progress.psnr_rgb_db,
        "validation_psnr_rgb_db": validated,
        "learning_rate": progress.learning_rate,
        "images_per_second": progress.step * batch / max(progress.seconds, 1e-9),
        "seconds": progress.seconds,
    }
    return {"step": str(progress.step)} | {name: field_text(value, ".6g") for name, value in values.items()}
