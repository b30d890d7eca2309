"""The verdict in words: the sentences at the top of the page, alarms, and the cells of its table."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from derain.curriculum import GIVEN, INDIVIDUAL, JOINT, as_read
from derain.report.verdict import REFERENCES, ROUNDED, Harm, harms

MINUS, DASH, STAR = "−", "–", "★"
NAMES = {
    JOINT: "joint training on all datasets at once",
    INDIVIDUAL: "individual networks, one for each dataset",
    GIVEN: "the given network",
}


def sentences(table: pd.DataFrame) -> list[str]:
    """Return a few sentences for each network and set of datasets: the best method on average beside one other method,
    whether they differ by more than the noise, and what is better than every method.
    """
    several = table.loc[~table["method"].isin(REFERENCES), "network"].nunique() > 1
    found = []
    for datasets, of_set in table.groupby("datasets", sort=False) if "datasets" in table else [("", table)]:
        given = of_set[of_set["method"] == GIVEN]
        for network, group in of_set[of_set["method"] != GIVEN].groupby("network", sort=False):
            texts = [*_methods(group), *_better(pd.concat([group, given]))]
            over = f"{'over' if several else 'Over'} {listed(datasets)}"
            places = [*([network] if several else []), *([over] if datasets else [])]
            where = f"{', '.join(places)}: " if places else ""
            found += [where + " ".join(texts)] if texts else []
    return found


def learned(method: str, datasets: str) -> str:
    """Return what a stage has learned ("a>b") in readable form: "a → b", or "a, b" where it has no order (joint)."""
    return listed(datasets) if method == JOINT else as_read(datasets)


def listed(datasets: str) -> str:
    """Return a set of datasets ("a>b") in readable form ("a, b")."""
    return datasets.replace(">", ", ")


def _methods(group: pd.DataFrame) -> Iterator[str]:
    """The methods of one network, in sentences."""
    rivals = group[~group["method"].isin(REFERENCES)]
    if rivals.empty:
        return
    best = rivals.loc[rivals["average"].idxmax()]
    others = rivals.drop(index=best.name)
    if others.empty:
        yield f"{best['method']} has {spread(best, 'average')} dB on average."
        return
    near = others[~others["beyond_noise"].astype(bool)]
    rival = (near if len(near) else others).loc[lambda rows: rows["average"].idxmax()]
    count = f"of the {len(rivals)} methods" if len(rivals) > 2 else "of the two methods"
    average, lead, noise = f"{spread(best, 'average')} dB", f"{plain(-rival['to_best'])} dB", _noise(rival, -1)
    equal = is_zero(rival["to_best"]) and not best["beyond_noise"]
    if noise and best["beyond_noise"]:
        yield f"{best['method']} is best on average {count}, with {average}, {lead} ahead of {rival['method']} {noise}."
    elif equal:
        yield f"{best['method']} and {rival['method']} have the highest average {count}, {average}."
    else:
        over = f"its lead of {lead} over {rival['method']}"
        known = f"{over} is within the noise {noise}" if noise else f"how much of {over} is noise is not known"
        yield f"{best['method']} has the highest average {count}, {average}; {known}."
    if np.isfinite(best["forgetting"]) and np.isfinite(rival["forgetting"]):
        gap = best["new_task_gain"] - rival["new_task_gain"]
        gains = "as much" if is_zero(gap) else f"{plain(abs(gap))} dB {'more' if gap > 0 else 'less'}"
        forgets, it = (f"{best['method']} forgets", best["method"]) if equal else ("It forgets", "it")
        yield (
            f"{forgets} {plain(best['forgetting'])} dB, {rival['method']} {plain(rival['forgetting'])} dB, and {it} "
            f"gains {gains} on new datasets."
        )


def _better(group: pd.DataFrame) -> Iterator[str]:
    """The reference with the highest average, if that is above every method's."""
    is_reference = group["method"].isin(REFERENCES)
    rivals, references = group[~is_reference], group[is_reference & group["average"].notna()]
    if rivals.empty or references.empty:
        return
    best, above = (rows.loc[rows["average"].idxmax()] for rows in (rivals, references))
    difference = above["average"] - best["average"]
    if not difference > 0 or is_zero(difference):
        return
    name = NAMES[above["method"]] + (f" {above['network']}" if above["method"] == GIVEN else "")
    # A given network is compared with the best method of all networks, which may be one of another network.
    noise = _noise(above, 1) if abs(difference - above["to_best"]) < ROUNDED else ""
    scores = f"{spread(above, 'average')} dB, {plain(difference)} dB above {best['method']}"
    if noise and above["beyond_noise"]:
        yield f"Best overall: {name}, with {scores} {noise}."
    elif noise:
        yield f"{name[0].upper()}{name[1:]}: {scores}, which is within the noise {noise}."
    else:
        yield f"{name[0].upper()}{name[1:]}: {scores}; how much of this is noise is not known."


def _noise(row: pd.Series, sign: int) -> str:
    """The intervals of a row's difference from the best in words; empty if unknown. sign: -1 for the best minus it."""
    over = [("to_best_low", "to_best_high", row["compared_images"], "test images")]
    if row["compared_seeds"] > 1:
        over.append(("to_best_seeds_low", "to_best_seeds_high", row["compared_seeds"], "seeds"))
    parts = []
    for low, high, count, of_what in over:
        bounds = sorted((sign * row[low], sign * row[high]))
        if not np.isfinite(bounds).all():
            return ""
        parts.append(f"{signed(bounds[0])} to {signed(bounds[1])} dB over {count:.0f} {of_what}")
    one = "" if row["compared_seeds"] > 1 else "; one seed"
    return f"(95 % interval {' and '.join(parts)}{one})"


def alarms(matrix: pd.DataFrame) -> list[str]:
    """Return a line for each network and dataset that it harms, the greatest harm first (see `harms`)."""
    found = harms(matrix)
    several = matrix["network"].nunique() > 1
    lines = []
    for (network, method, dataset), of_orders in _grouped(found):
        worst = of_orders[0]
        orders = matrix[(matrix["network"] == network) & (matrix["method"] == method)]["order"]
        count = len({_network_of(method, order) for order in orders if ">" in order})
        of = "sets" if method == JOINT else "orders"
        more = len({_network_of(method, harm.order) for harm in of_orders}) - 1
        parts = [method, *([network] if several or method == GIVEN else [])]
        if ">" in worst.order:
            parts.append(f"after {_network_of(method, worst.order)}")
        often = f" (and {more} more of {count} {of})" if more else ""
        known = dataset in worst.order.split(">") or method == GIVEN
        lines.append(
            f"{', '.join(parts)}{often}: {dataset}{'' if known else ', never learned'}, {worst.rainy:.2f} dB rainy → "
            f"{worst.score:.2f} dB restored"
        )
    return lines


def _network_of(method: str, order: str) -> str:
    """What the last network of an order has learned, in readable form; orders of one set share one joint network."""
    return learned(method, ">".join(sorted(order.split(">"))) if method == JOINT else order)


def marked(matrix: pd.DataFrame) -> list[str]:
    """Return the sections of the page that mark the scores of `alarms`."""
    places = {INDIVIDUAL: "individual", GIVEN: "elsewhere"}
    found = {places.get(harm.method, "matrix" if ">" in harm.order else "individual") for harm in harms(matrix)}
    return [name for name in ("matrix", "individual", "elsewhere") if name in found]


def _grouped(found: Iterable[Harm]) -> Iterator[tuple[tuple[str, str, str], list[Harm]]]:
    groups: dict[tuple[str, str, str], list[Harm]] = {}
    for harm in found:
        groups.setdefault((harm.network, harm.method, harm.dataset), []).append(harm)
    yield from groups.items()


def lines(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of the table as texts, each with a flag for the best number."""
    return [
        {
            "network": row["network"],
            "method": row["method"],
            "datasets": listed(row.get("datasets", "")),
            "average": cell(row, "average") | {"star": is_ahead(row)},
            "worst": {
                "text": plain(row["worst"]),
                "best": row["best_worst"],
                "order": "" if pd.isna(row["worst_order"]) else row["worst_order"],
            },
            "forgetting": cell(row, "forgetting"),
            "new_task_gain": cell(row, "new_task_gain"),
            "above_chord": above_chord(row),
            "old": old_data(row, "\u202f"),
            "harms": harms_text(row),
            "harmful": bool(row["harms"]),
        }
        for _, row in table.iterrows()
    ]


def is_ahead(row: Mapping[str, Any]) -> bool:
    """Whether the row is a method that is ahead of every other method of its network by more than the noise."""
    return bool(row["best_average"]) and bool(row["beyond_noise"])


def old_data(row: Mapping[str, Any], thousands: str = "") -> str:
    """Return the bytes kept of old datasets as text: joint training keeps all data, other references learn once."""
    if row["method"] in (INDIVIDUAL, GIVEN):
        return DASH
    return "all" if pd.isna(row["old_data_bytes"]) else f"{row['old_data_bytes']:,}".replace(",", thousands)


def above_chord(row: Mapping[str, Any]) -> str:
    """Return the score above the chord of fine-tuning as text; a dash where there is none."""
    return signed(row.get("above_chord", np.nan))


def harms_text(row: Mapping[str, Any]) -> str:
    """Return the number of datasets that score below their rainy input and the lowest gain as text, or "none"."""
    names = [name for name in row["harms"].split(">") if name]
    if not names:
        return "none" if pd.notna(row["lowest_gain"]) else DASH
    lowest = f"{row['lowest_gain_dataset']} {signed(row['lowest_gain'])}"
    return lowest if len(names) == 1 else f"{len(names)}: {lowest}"


def cell(row: Any, name: str) -> dict[str, Any]:
    """Return one quantity of one method: its text, and whether it is the best number."""
    return {"text": spread(row, name), "best": bool(row[f"best_{name}"])}


def spread(row: Any, name: str) -> str:
    """Return "mean ± standard deviation over seeds" as text; with one seed, the mean alone."""
    mean, std = row[name], row[f"{name}_std"]
    text = quantity(mean, name)
    return text if pd.isna(mean) or pd.isna(std) else f"{text} ± {std:.2f}"


def quantity(value: float, name: str) -> str:
    """Return a quantity of a method as text: an average, or another one, which is a difference."""
    return plain(value) if name == "average" else signed(value)


def plain(value: float) -> str:
    """Return a number as text with two digits. A missing one is a dash; what rounds to zero has no sign; the PSNR of an
    image that is restored exactly is infinite.
    """
    return DASH if pd.isna(value) else f"{value:z.2f}".replace("inf", "∞").replace("-", MINUS)


def signed(value: float) -> str:
    """Return a difference as text with its sign, if it is positive; else as `plain`."""
    return f"+{plain(value)}" if value > 0 and not is_zero(value) else plain(value)


def is_zero(value: float) -> bool:
    """Whether a number is shown as zero."""
    return plain(value) == plain(0)
