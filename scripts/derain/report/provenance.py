"""Provenance of an experiment: config, datasets, machines, versions and cost."""

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
from derain.machine import processor

LIBRARIES = ("torch", "numpy", "scipy", "scikit-image", "pillow", "snakemake", "altair", "vl-convert-python")


@dataclass(frozen=True)
class Provenance:
    """Provenance of an experiment.

    config: as YAML; datasets: from `dataset_line`; places: from `made_where`; versions: of the libraries where the page
    was made; cost: time and memory by rule (results/tables/cost.csv), if measured.
    """

    config: str = ""
    datasets: list[dict[str, Any]] = field(default_factory=list)
    places: list[dict[str, Any]] = field(default_factory=list)
    versions: Mapping[str, str] = field(default_factory=dict)
    cost: pd.DataFrame | None = None

    @property
    def cost_lines(self) -> list[dict[Any, Any]]:
        """Cost of each rule, longest total time first."""
        return [] if self.cost is None else self.cost.sort_values("seconds", ascending=False).to_dict("records")


def provenance(
    config: Mapping[str, Any], checks: Iterable[tuple[str, str]], thetas: Iterable[str], cost: pd.DataFrame | None
) -> Provenance:
    """Return the provenance of the results in the working directory.

    config: as the run read it; checks: (name, check.csv) of each dataset; thetas: files of all stages, which need not
    exist; cost: as in `Provenance`.
    """
    return Provenance(
        config=as_yaml(config),
        datasets=[dataset_line(name, check) for name, check in checks],
        places=made_where(thetas),
        versions=versions(),
        cost=cost,
    )


def as_yaml(config: Mapping[str, Any]) -> str:
    """Return the config, with its defaults, as YAML."""
    text: str = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=100)
    return text


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries, and the kind of machine that this process runs on. Torch is
    not imported.
    """
    found = {"Python": python_version(), "machine": f"{system()} {machine()}", "processor": processor()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # torch is not needed to draw the page
            continue
    return found


def dataset_line(name: str, check: str | Path) -> dict[str, Any]:
    """Return the digest (names and pixels) and summary of each split of a dataset, and all other findings.

    check: check.csv of the dataset, in the folder that contains its stores.
    """
    findings = read_findings(Path(check))
    # Digests are stored in the tables, so no pixels are read.
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
    """Return a row for each machine and folder that made stages, from the origin.json beside each θ.

    kind: processor and instruction set; taken: whether the stages come from a stage store; stages: their number; from,
    to: first and last date.
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
