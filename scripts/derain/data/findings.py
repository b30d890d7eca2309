"""Findings about a dataset: errors, warnings and notices, one row each, and the table of them."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from derain.errors import shown
from derain.files.rows import write_rows

ERROR, WARNING, NOTICE, SUMMARY = "error", "warning", "notice", "summary"


@dataclass(frozen=True)
class Finding:
    """One row of a table of findings.

    severity: "error" (nothing runs until it is fixed), "warning" (runs, but scores may mislead), "notice" (handled as
    the text says) or "summary"; split: train, validation, test or empty; file: an image below the dataset's root, a
    list (with its line) or empty; text: what is wrong and what was expected.
    """

    severity: str
    split: str
    file: str
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (shown(self.file), self.text) if part)


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write the table, most severe first."""
    ranks = {ERROR: 0, WARNING: 1, NOTICE: 2, SUMMARY: 3}
    rows = sorted(findings, key=lambda finding: (ranks[finding.severity], finding.split, finding.file))
    write_rows(path, [field.name for field in fields(Finding)], ({**asdict(f), "file": shown(f.file)} for f in rows))


def read_findings(path: Path) -> list[Finding]:
    """The rows that `write_findings` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return [Finding(**row) for row in csv.DictReader(file)]
