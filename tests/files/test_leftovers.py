import pytest
from derain.files.leftovers import left, remove
from derain.plan.page import DERIVED, DRAWN


def _files(folder):
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def folder(tmp_path):
    mine = ("tables/notes.csv", "figures/photograph.svg", "figures/matrixes.pdf", "figures/deep/matrix.svg", "a.html")
    others = (
        "report.html",
        "tables/verdict.csv",
        "tables/orders.tex",
        "figures/matrix-net-1.svg",
        "figures/orders-a.pdf",
    )
    for name in (*mine, *others, "tables/matrix.csv", "tables/theory.csv", "figures/strengths.svg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    return tmp_path, set(mine), set(others)


def test_what_is_drawn_from_tables_goes_and_tables_and_files_of_other_names_stay(folder):
    path, mine, _ = folder
    before, announced = _files(path), left(path, DRAWN)
    assert _files(path) == before
    said = remove(path, DRAWN)
    assert announced == said
    assert _files(path) == mine | {"tables/matrix.csv", "tables/theory.csv"}
    assert said == "report.html, tables/verdict.csv, tables/orders.tex and 3 more"
    assert remove(path, DRAWN) == ""


def test_what_is_kept_stays(folder):
    path, mine, _ = folder
    kept = ["report.html", "tables/matrix.csv", "figures/matrix-net-1.svg"]
    remove(path, DERIVED, [path / name for name in kept])
    assert _files(path) == mine | {*kept}


def test_an_empty_or_missing_folder_is_fine(tmp_path):
    assert remove(tmp_path, DERIVED) == remove(tmp_path / "none", DERIVED) == ""
