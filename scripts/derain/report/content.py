"""Content of the page: tables, pictures and provenance of the existing results, and a list of missing results."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import pandas as pd

from derain.curriculum import FIRST, GIVEN, JOINT, in_tables
from derain.data.store import PackedPairs
from derain.evaluation.reading import read_table
from derain.report.missing import Current, exists, is_scored, missing, name_of
from derain.report.pictures import Card, Output, cards, encoded, previews_in
from derain.report.provenance import Provenance, provenance
from derain.report.tables import of_rounding


@dataclass(frozen=True)
class Theta:
    """A network of the results. datasets: that it has learned, as in the tables; file: its θ; final: whether it is the
    last of an order, or of no order: an individual or a given network; place: of its class, FILE.py:CLASS as in the
    config, empty for a backbone of the library.
    """

    network: str
    seed: int
    method: str
    datasets: str
    file: str
    final: bool
    place: str = ""


@dataclass(frozen=True)
class Content:
    """Content of the page.

    tables: by name, of one rounding: "matrix", "continual", "summary", and those others in results/tables that exist
    ("scores": for the intervals of the verdict);
    ssim: SSIM protocol of their scores; importances: kind of Ω by method; cards: encoded pictures; left_out: number of
    cards that did not fit; missing: a line for each missing dataset or stage; titles: of the loss terms that methods
    add, by name; learned: what given networks that learn more have learned elsewhere, by network; given: a line for
    each of them; name: of the experiment, or empty; thetas: of the finished stages; seconds_an_image: of scoring, None
    if not all of it was measured; started: networks whose own first stages start from given weights; photographs:
    (stage, file relative to that of the page) of the pages that compare photographs; seed: the first one of the config.
    """

    tables: Mapping[str, pd.DataFrame]
    _: KW_ONLY
    rounding: str = "nearest"
    ssim: str = "wang2009"
    importances: Mapping[str, str] = field(default_factory=dict)
    cards: Sequence[Card] = ()
    left_out: int = 0
    provenance: Provenance = field(default_factory=Provenance)
    missing: Sequence[str] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    learned: Mapping[str, Sequence[str]] = field(default_factory=dict)
    given: Sequence[str] = ()
    name: str = ""
    thetas: Sequence[Theta] = ()
    seconds_an_image: float | None = None
    started: Collection[str] = ()
    photographs: Sequence[tuple[str, str]] = ()
    seed: int = 0


def content_of(
    plan: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    config: Mapping[str, Any],
    current: Current = exists,
) -> Content:
    """Return the content for the results in the working directory, finished or not.

    plan: `PagePlan.content`; tables: the existing ones by name, including "scores"; config: as the run read it.
    """
    rounding = plan["rounding"]
    drawn = {name: of_rounding(table, rounding) for name, table in tables.items()}
    scores = drawn["scores"]
    datasets = {name: files for name, files in plan["datasets"].items() if is_scored(files, current)}
    pairs = {
        name: PackedPairs([(files["pairs"], files["pixels"], files["digest"])], "test")
        for name, files in datasets.items()
    }
    rainy = _rainy_psnr(files["rainy"] for files in datasets.values())
    pictures = cards(pairs, rainy, _outputs(plan["shown"], scores, current), config["evaluation"]["previews"])
    shown, left_out = encoded(pictures)
    checks = [(name, files["check"]) for name, files in plan["datasets"].items() if exists(files["check"])]
    thetas = [stage["theta"] for stage in plan["stages"] if current(stage["theta"])]
    cost = drawn.pop("cost", None)
    origin = provenance(config, checks, thetas, cost)
    return Content(
        drawn,
        rounding=rounding,
        ssim=plan["ssim"],
        importances=plan["importances"],
        cards=shown,
        left_out=left_out,
        provenance=origin,
        missing=missing(plan, current),
        titles=plan["titles"],
        learned={each["network"]: each["learned"] for each in plan["learned"]},
        given=[_given(each) for each in plan["learned"]],
        name=config.get("name") or "",
        thetas=list(_thetas(plan["stages"], drawn["matrix"]["order"].unique(), config["networks"], current)),
        seconds_an_image=_seconds_an_image(cost, scores, sum(len(stage["scores"]) for stage in plan["stages"])),
        started=plan["started"],
        photographs=[(name_of(stage), stage["page"]) for stage in plan["photographs"]],
        seed=config["seeds"][0],
    )


def _thetas(
    stages: Iterable[Mapping[str, Any]],
    orders: Iterable[str],
    networks: Mapping[str, Mapping[str, Any]],
    current: Current,
) -> Iterator[Theta]:
    """The stages that have a current θ. stages: of `PagePlan.content`; orders: as in the tables; networks: of the
    config.
    """
    whole = {tuple(order.split(">")) for order in orders}
    sets = {tuple(sorted(order)) for order in whole}
    for stage in stages:
        method, datasets = stage["method"], tuple(stage["datasets"])
        final = method in (FIRST, GIVEN) or (datasets in sets if method == JOINT else datasets in whole)
        if current(stage["theta"]):
            backbone = networks[stage["network"]]["backbone"]
            place = backbone if ":" in backbone else ""
            yield Theta(stage["network"], stage["seed"], method, in_tables(datasets), stage["theta"], final, place)


def _seconds_an_image(cost: pd.DataFrame | None, scores: pd.DataFrame, jobs: int) -> float | None:
    """Mean time of the scoring jobs for an image; None unless all of them were measured. jobs: their number."""
    if cost is None or scores.empty:
        return None
    measured = cost[(cost["rule"] == "evaluate") & (cost["jobs"] == jobs)]
    return float(measured["seconds"].sum()) / len(scores) if len(measured) else None


def _given(network: Mapping[str, Any]) -> str:
    """A sentence on a given network that learns more. network: an item of `PagePlan.learned`."""
    counts = [
        f"training pairs of {name}" + (f" ({_train_pairs(table)})" if exists(table) else "")
        for name, table in network["pairs"].items()
    ]
    given = f"Ω ({', '.join(network['omega'])}) is given with them" if network["omega"] else ""
    from_pairs = f"{'other Ω' if given else 'Ω'}, memory and diagnostic at them come from {' and '.join(counts)}"
    stand_in = f", which {'stand' if len(counts) > 1 else 'stands'} in for what they have learned"
    parts = [given, from_pairs + (stand_in if network["stand_in"] else "") if counts else ""]
    return (
        f"{network['network']}: the weights {network['weights']} (sha256 {network['digest'][:12]}…) are given; they "
        f"have learned {', '.join(network['learned'])} elsewhere. {'; '.join(filter(None, parts))}."
    )


def _train_pairs(table: str) -> int:
    """Number of training pairs in pairs.csv."""
    return int((read_table(table)["split"] == "train").sum())


def _outputs(shown: Iterable[Mapping[str, Any]], scores: pd.DataFrame, current: Current) -> list[Output]:
    """Return the outputs of stages with their current previews. shown: `PagePlan.shown`; scores: tables/scores.csv."""
    stages = scores.groupby(["network", "seed", "method", "datasets"], sort=False)
    found = []
    for line in shown:
        stage = line["of"]
        key = (stage["network"], stage["seed"], stage["method"], in_tables(stage["datasets"]))
        psnr = _psnr(stages.get_group(key)) if key in stages.groups else {}
        previews = previews_in(file for file in line["files"] if current(file))
        found.append(
            Output(
                caption=line["caption"],
                run=(stage["network"], line["method"]),
                order=line["order"],
                learned=line["learned"],
                final=line["final"],
                previews=previews,
                psnr=psnr,
            )
        )
    return found


def _rainy_psnr(files: Iterable[str]) -> dict[tuple[str, str], float]:
    """Return PSNR on Y in dB of the rainy inputs by (dataset, image). files: rainy.csv of each dataset."""
    return {key: value for file in files for key, value in _psnr(read_table(file)).items()}


def _psnr(scores: pd.DataFrame) -> dict[tuple[str, str], float]:
    values: dict[tuple[str, str], float] = scores.set_index(["dataset", "image"])["psnr_y_db"].to_dict()
    return values
