"""Tables for a paper: LaTeX with booktabs, PSNR on Y in dB, the best in bold."""

import pandas as pd

from derain.curriculum import JOINT, as_read
from derain.evaluation.continual import LOWER_IS_BETTER
from derain.report.wording import DASH, MINUS, STAR, above_chord, harms_text, is_ahead, listed, old_data, plain, spread

# Characters that plain LaTeX does not accept, with their commands.
SYMBOLS = {MINUS: r"$-$", "±": r"$\pm$", "→": r"$\to$", DASH: "--", STAR: r"$^\star$", "∞": r"$\infty$"}


def verdict(table: pd.DataFrame) -> str:
    """Methods × (average, worst order, forgetting, gain of new datasets, what is below its rainy input, bytes).

    table: from derain.report.verdict.
    """
    names = {"average": "average", "worst": "worst order", "forgetting": "forgetting", "new_task_gain": "gain of new"}
    rows = [row for _, row in table.iterrows()]
    texts = pd.DataFrame(
        {
            "network": table["network"],
            "method": table["method"],
            **({"datasets": table["datasets"].map(listed)} if "datasets" in table else {}),
            "average": [spread(row, "average") + STAR * is_ahead(row) for row in rows],
            "worst order": [plain(row["worst"]) for row in rows],
            "forgetting": [spread(row, "forgetting") for row in rows],
            "gain of new": [spread(row, "new_task_gain") for row in rows],
            **({"above the chord": [above_chord(row) for row in rows]} if "above_chord" in table else {}),
            "below rainy input": [harms_text(row) for row in rows],
            "old data, bytes": [old_data(row) for row in rows],
        }
    )
    bold = {title: table[f"best_{name}"] for name, title in names.items()}
    unlike = " of the same datasets" if "datasets" in table else ""
    caption = (
        f"Mean over orders{unlike} and seeds, PSNR on Y in dB. Bold: the best value in its column among the methods. "
        f"{STAR}: ahead of every other method by more than the noise. Below rainy input: datasets that score below it "
        "after the last stage, and the lowest gain."
    )
    if "above_chord" in table:
        caption += (
            " Above the chord: the score on the newest dataset minus that of the blend of fine-tuning that is as good "
            "on the old datasets, mean over stages, orders and seeds."
        )
    return _latex(_without_one_network(texts), bold, caption, "tab:verdict")


def orders(continual: pd.DataFrame) -> str:
    """Average, forgetting, gain of new datasets, BWT and FWT of each order and method, from tables/continual.csv."""
    quantities = {
        "average": "average",
        "forgetting": "forgetting",
        "new_task_gain": "gain of new",
        "bwt": "BWT",
        "fwt": "FWT",
    }
    rows = continual[continual["metric"] == "psnr_y_db"]
    keys = ["order", "network", "method"]
    means = rows.groupby(keys, sort=False)[list(quantities)].mean().reset_index()
    rivals = means[means["method"] != JOINT]
    bold = {}
    for name, title in quantities.items():
        signed = -rivals[name] if name in LOWER_IS_BETTER else rivals[name]
        best = signed.groupby([rivals["order"], rivals["network"]]).transform("max")
        bold[title] = (signed == best).reindex(means.index, fill_value=False)
    texts = means[keys].assign(order=means["order"].map(as_read))
    for name, title in quantities.items():
        texts[title] = [plain(value) for value in means[name]]
    caption = "Each order, mean over seeds, PSNR on Y in dB."
    return _latex(_without_one_network(texts), bold, caption, "tab:orders")


def matrix(table: pd.DataFrame) -> str:
    """R: stages × datasets of each order and method, mean over seeds. table: tables/matrix.csv, of one rounding."""
    runs = table[table["order"].str.contains(">")]
    keys = ["order", "network", "method", "stage", "learned"]
    scores = runs.pivot_table(index=keys, columns="dataset", values="psnr_y_db", sort=False).reset_index()
    learned = dict.fromkeys(name for order in runs["order"].unique() for name in order.split(">"))
    datasets = [name for name in dict.fromkeys([*learned, *runs["dataset"]]) if name in scores.columns]
    texts = scores[[key for key in keys if key != "stage"]].rename(columns={"learned": "after"})
    texts["order"] = texts["order"].map(as_read)
    for name in datasets:
        texts[name] = [plain(value) for value in scores[name]]
    caption = "PSNR on Y in dB of each stage on each dataset, mean over seeds."
    return _latex(_without_one_network(texts), {}, caption, "tab:matrix")


def _without_one_network(texts: pd.DataFrame) -> pd.DataFrame:
    return texts.drop(columns="network") if texts["network"].nunique() < 2 else texts


def _latex(texts: pd.DataFrame, bold: dict[str, pd.Series], caption: str, label: str) -> str:
    """Return a table environment with escaped names. bold: by column, which of its cells are bold."""
    style = texts.style.format(escape="latex").format_index(escape="latex", axis=1).hide(axis="index")
    for column, best in bold.items():
        style = style.apply(
            lambda _, best=best: ["textbf:--rwrap;" if value else "" for value in best], subset=[column]
        )
    numbers = sum(pd.Series(texts.columns).isin(["order", "network", "method", "datasets", "after"]))
    columns = "l" * numbers + "r" * (len(texts.columns) - numbers)
    text: str = style.to_latex(
        hrules=True, caption=caption, label=label, column_format=columns, position_float="centering"
    )
    for symbol, command in SYMBOLS.items():
        text = text.replace(symbol, command)
    return text
