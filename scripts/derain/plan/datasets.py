"""The files of datasets in the results: what is packed, and the scores of rainy inputs."""

from collections.abc import Iterable


def tables(datasets: Iterable[str], use: str) -> list[str]:
    """The tables of pairs of datasets, for one of USES."""
    return [f"results/datasets/{name}/{use}/pairs.csv" for name in datasets]


def pixels(datasets: Iterable[str], use: str) -> list[str]:
    """The packed pixels of datasets, for one of USES."""
    return [f"results/datasets/{name}/{use}/pixels.bin" for name in datasets]


def rainy_scores(datasets: Iterable[str]) -> list[str]:
    """The scores of datasets' rainy inputs."""
    return [f"results/datasets/{name}/rainy.csv" for name in datasets]


def checks(datasets: Iterable[str]) -> list[str]:
    """The tables of what datasets are."""
    return [f"results/datasets/{name}/check.csv" for name in datasets]
