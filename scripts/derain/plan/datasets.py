"""Paths of the files of datasets in the results: stores, scores of rainy inputs, summaries."""

from collections.abc import Iterable


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
