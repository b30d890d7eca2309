"""Paths of the files of datasets in the results: stores, scores of rainy inputs, summaries; threads of their jobs."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

PAIRS_OF_A_THREAD, MOST_THREADS = 100, 8


def tables(datasets: Iterable[str], use: str) -> list[str]:
    """pairs.csv of each dataset for a use ("training" or "test")."""
    return [f"results/datasets/{name}/{use}/pairs.csv" for name in datasets]


def pixels(datasets: Iterable[str], use: str) -> list[str]:
    """pixels.bin of each dataset for a use ("training" or "test")."""
    return [f"results/datasets/{name}/{use}/pixels.bin" for name in datasets]


def rainy_scores(datasets: Iterable[str]) -> list[str]:
    """rainy.csv of each dataset: scores of its rainy test images."""
    return [f"results/datasets/{name}/rainy.csv" for name in datasets]


def checks(datasets: Iterable[str]) -> list[str]:
    """check.csv of each dataset: its faults and a summary of each split."""
    return [f"results/datasets/{name}/check.csv" for name in datasets]


def contact_sheets(datasets: Iterable[str]) -> list[str]:
    """contact.jpg of each dataset: some of its pairs in one picture."""
    return [f"results/datasets/{name}/contact.jpg" for name in datasets]


def threads(wildcards: Any) -> int:
    """Threads of a job that reads all images of a dataset: 1 for each 100 pairs in its manifest, at most 8. So small
    datasets are packed side by side, and leave processors to trainings.
    """
    lines = 0
    with suppress(OSError), Path(f"results/datasets/{wildcards.dataset}/manifest.csv").open("rb") as file:
        lines = sum(1 for _ in file)
    return min(MOST_THREADS, 1 + lines // PAIRS_OF_A_THREAD)
