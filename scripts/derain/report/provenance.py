"""What an experiment was made from, with what, where, and at which cost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import machine, python_version, system
from typing import Any

import pandas as pd
import yaml

from derain.data.findings import SUMMARY, read_findings
from derain.data.store import PackedPairs
from derain.files.origin import origin_of
from derain.machine import instruction_set, processor

LIBRARIES = ("torch", "numpy", "scipy", "scikit-image", "pillow", "snakemake", "altair", "vl-convert-python")


@dataclass(frozen=True)
class Provenance:
    """config: as YAML; datasets: a line for each (`dataset_line`); places: where stages were made, and how many;
    versions: of this page's libraries; cost: time and memory by rule (results/tables/cost.csv), if it was measured.
    """

    config: str = ""
    datasets: list[dict[str, Any]] = field(default_factory=list)
    places: list[dict[str, Any]] = field(default_factory=list)
    versions: Mapping[str, str] = field(default_factory=dict)
    cost: pd.DataFrame | None = None

    @property
    def cost_lines(self) -> list[dict[Any, Any]]:
        """The rules that took longest first."""
        return [] if self.cost is None else self.cost.sort_values("seconds", ascending=False).to_dict("records")


def provenance(
    config: Mapping[str, Any], checks: Iterable[tuple[str, str]], thetas: Iterable[str], cost: pd.DataFrame | None
) -> Provenance:
    """That of the results in the working directory. config: as the run read it; checks: check.csv of datasets, by name;
    thetas: of all stages, there or not; cost: as in `Provenance`.
    """
    return Provenance(
        config=as_yaml(config),
        datasets=[dataset_line(name, check) for name, check in checks],
        places=made_where(thetas),
        versions=versions(),
        cost=cost,
    )


def as_yaml(config: Mapping[str, Any]) -> str:
    """The config as the run read it, with its defaults."""
    text: str = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=100)
    return text


def versions() -> dict[str, str]:
    """Of Python and the libraries that decide results, and the kind of machine, where this runs."""
    found = {"Python": python_version(), "machine": f"{system()} {machine()}", "processor": processor()}
    if instructions := instruction_set():
        found["instruction set"] = instructions
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a machine that only draws does without torch
            continue
    return found


def dataset_line(name: str, check: str | Path) -> dict[str, Any]:
    """Of each split the digest of names and pixels, and what was found: a summary with the rainy input's scores.

    check: check.csv of the dataset, beside whose stores it lies.
    """
    findings = read_findings(Path(check))
    # The digests are in the tables, no pixel is read.
    stores = [(table, "", None) for table in sorted(Path(check).parent.glob("*/pairs.csv"))]
    return {
        "name": name,
        "splits": [
            {"split": found.split, "digest": PackedPairs(stores, found.split).digest, "text": found.text}
            for found in findings
            if found.severity == SUMMARY
        ],
        "findings": [str(found) for found in findings if found.severity != SUMMARY],
    }


def made_where(thetas: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Machines (host, and kind: processor and instruction set) and folders that made stages, with how many and when
    first and last; from the origin.json beside θ.
    """
    found: dict[tuple[str, str, str, bool], list[str]] = {}
    for theta in thetas:
        if made := origin_of(theta):
            known = filter(None, (made.get("processor"), made.get("instruction_set")))
            kind = ", ".join(known) or "processor not recorded"
            place = (made["host"], kind, made["folder"].partition("/results/")[0], "taken_from" in made)
            found.setdefault(place, []).append(made["date"])
    return [
        {"host": host, "kind": kind, "folder": folder, "taken": taken}
        | {"stages": len(dates), "from": min(dates), "to": max(dates)}
        for (host, kind, folder, taken), dates in found.items()
    ]
