"""Published test sets that are known by the scores of their rainy input, and the line that `snakemake check` prints of
each dataset.
"""

from collections.abc import Iterable
from typing import NamedTuple

from derain.data.findings import ERROR, NOTICE, SUMMARY, WARNING, Finding
from derain.data.leaks import EQUAL, NEAR, count_leaks


class Known(NamedTuple):
    """A published test set: its number of pairs, and the mean PSNR in dB and SSIM of its rainy input on Y."""

    pairs: int
    psnr_y_db: float
    ssim_y: float


# By layout. Computed from the published files of the old release (docs/how-to/add-a-dataset.md).
KNOWN = {
    "rain100l-old": Known(100, 26.90, 0.8384),
    "rain100h-old": Known(100, 13.56, 0.3787),
}


def line_of(name: str, layout: str, findings: Iterable[Finding], table: str) -> str:
    """Return one line on a dataset: each split, the published figures beside those of a known test set, the number of
    leaks and near copies and how many of these pairs are left out, of warnings and errors, and the table of all
    findings.
    """
    found = list(findings)
    splits = [_split(each, layout) for each in found if each.severity == SUMMARY]
    leaks, near = (count_leaks([each.text for each in found], how) for how in (EQUAL, NEAR))
    others = [len([each for each in found if each.severity == severity]) for severity in (WARNING, ERROR)]
    dropped = [each.text for each in found if each.severity == NOTICE]
    left_out = sum(count_leaks(dropped, how) for how in (EQUAL, NEAR))
    done = f" ({left_out} pair{'s' * (left_out != 1)} left out of training)" if left_out else ""
    counts = f"leaks {leaks}, near copies {near}{done}, warnings {others[0]}, errors {others[1]}"
    return f"{name}: {'; '.join(splits)}; {counts}; {table}"


def _split(summary: Finding, layout: str) -> str:
    known = KNOWN.get(layout)
    if summary.split != "test" or known is None:
        return f"{summary.split} {summary.text}"
    figures = f"{known.psnr_y_db:.2f} dB and {known.ssim_y:.4f}"
    return f"{summary.split} {summary.text} (the {known.pairs} published pairs have {figures})"
