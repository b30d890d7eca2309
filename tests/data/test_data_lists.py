"""Lists of pairs, and the patterns of `exclude`."""

import pytest
from derain.data.findings import WARNING
from trees import any_letter, counts, rainy, refused, write, write_pairs

LISTS = {"layout": "folders", "train": {"list": "train.txt"}, "test": {"rainy": "test/rain/{scene}.png", "clean": "test/norain/{scene}.png"}}  # fmt: skip  # noqa: E501


def listed(tree, lines, name="train.txt", **section):
    """A section whose training pairs are in a list of these lines."""
    (tree / name).write_text("\n".join(lines), encoding="utf-8")
    return LISTS | {"train": {"list": name}} | section


def rows(numbers, side="train", pair="{side}/rain/{n}.png {side}/norain/{n}.png"):
    return [pair.format(side=side, n=n) for n in numbers]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train/rain/9.png train/norain/9.png", "train/rain/9.png does not exist"),
        ("../outside.png train/norain/1.png", "outside the root"),
        ("train/rain/7.png", "rainy and a clean file"),
        ("train/rain/1.png train/norain/1.png", "stands twice"),
    ],
)
def test_list_file(tree, check, line, words):
    write(tree.parent / "outside.png", rainy(50))
    lines = [f"train/rain/{n}.png train/norain/{n}.png" for n in range(1, 7)]
    (tree / "train.txt").write_text("\n".join([*lines, line]))
    refused(check(**LISTS), "train.txt:7", words)


def test_rainy_images_of_a_list_that_slipped_by_a_line(tree, check, capsys):
    write_pairs(tree / "train", [7])
    lines = [f"train/rain/{n}.png train/norain/{n + (n > 3)}.png" for n in range(1, 7)]
    found = check(**listed(tree, lines))
    assert found.errors == []
    odd = {finding.file: finding.text for finding in found.findings["d"] if finding.severity == WARNING}
    text = "looks like train/norain/{}.png, and not like its clean partner train/norain/{}.png"
    # The clean image 4 is in no pair, so nothing can be said about the rainy image 4.
    assert odd == {f"train/rain/{n}.png": text.format(n, n + 1) for n in (5, 6)}
    assert "warning: datasets.d: 2 rainy images look like the clean image of another pair" in capsys.readouterr().err
    right = check(**listed(tree, rows(range(1, 7))))
    assert right.errors == [] and right.findings["d"] == []


@pytest.mark.parametrize("header", ["rainy,clean,split", "rainy, Clean ,SPLIT", '"rainy",clean,split', "\ufeffRainy,clean,split"])  # fmt: skip  # noqa: E501
def test_columns_of_a_csv_list_in_any_case_and_with_spaces(tree, check, header):
    pair = "{side}/rain/{n}.png, {side}/norain/{n}.png ,{side}"
    lines = [header, *rows(range(1, 7), pair=pair), "", " , ,", *rows((11, 12), "test", pair)]
    (tree / "pairs.csv").write_bytes("\r\n".join(lines).encode())
    found = check(layout="csv")
    assert found.errors == [] and counts(found.manifest["d"]) == {"train": 5, "validation": 1, "test": 2}


def test_a_column_without_a_name_is_an_index(tree, check):
    pair = "{n},{side}/rain/{n}.png,{side}/norain/{n}.png"
    section = listed(tree, [",rainy,clean", *rows(range(1, 7), pair=pair)], "train.csv")
    assert len(check(**section).manifest["d"]) == 8


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("rainy,gt", "'rainy', 'gt'"),
        ("rainy,clean,clean", "'rainy', 'clean', 'clean'"),
        ("rainy,clean,Group", "'rainy', 'clean', 'Group'"),
        ("rainy;clean", "'rainy;clean'"),
        ("rainy\tclean", r"'rainy\tclean'"),
        ("", "none"),
    ],
)
def test_other_columns_of_a_csv_list_are_named(tree, check, header, named):
    pairs = rows(range(1, 7), pair="{side}/rain/{n}.png,{side}/norain/{n}.png,train")
    section = listed(tree, [header, *pairs] if header else [], "t.csv")
    known = "needed are rainy and clean, known are also scene and split"
    refused(check(**section), "t.csv", f"its columns are {named}; {known}")


def test_a_list_that_is_not_there_or_names_no_pair(tree, check):
    (line,) = check(**LISTS | {"train": {"list": "nope.txt"}}).errors
    assert line.endswith("expected the list 'nope.txt', which does not exist")
    (line,) = check(**listed(tree, [])).errors
    assert line.endswith("expected the list 'train.txt', which gives no train pair")
    (tree / "dead.txt").symlink_to(tree / "gone.txt")
    refused(check(**LISTS | {"train": {"list": "dead.txt"}}), "dead.txt", "leads nowhere")


@pytest.mark.parametrize("called", ["data", "link", "/data"])
def test_absolute_paths_in_a_list_whatever_the_root_is_called(tree, check, called, monkeypatch):
    monkeypatch.chdir(tree.parent)
    (tree.parent / "link").symlink_to(tree)
    lines = [f"{tree}/train/rain/{n}.png {tree}/train/norain/{n}.png" for n in range(1, 7)]
    found = check(**listed(tree, lines, root=str(tree) if called == "/data" else called))
    assert found.errors == [] and {sample.rainy[:5] for sample in found.manifest["d"]} == {"train", "test/"}


def test_a_row_whose_files_are_excluded_need_not_have_them(tree, check):
    section = listed(tree, rows(range(1, 10)))
    assert len(check(**section).errors) == 3
    found = check(**section, exclude=["train/rain/7.png", "*/norain/8.png", "train/rain/9*"])
    assert found.errors == [] and len(found.manifest["d"]) == 8 and found.findings["d"] == []


@any_letter
@pytest.mark.parametrize("letters", [("caf\u00e9", "cafe\u0301"), ("cafe\u0301", "caf\u00e9")])
def test_lists_may_compose_names_in_another_way_than_the_disk(tree, check, letters):
    stored, named = letters
    write_pairs(tree / "train", [9], f"rain/{stored}.png", f"norain/{stored}.png")
    section = listed(tree, rows([*range(1, 5), named]))
    found = check(**section)
    assert found.errors == [] and f"train/rain/{stored}.png" in {sample.rainy for sample in found.manifest["d"]}
    (tree / "validation.txt").write_text(f"{named}.png\n", encoding="utf-8")
    held = check(validation_list="validation.txt")
    assert held.errors == []
    assert [sample.rainy for sample in held.manifest["d"] if sample.split == "validation"] == [f"train/rain/{stored}.png"]  # fmt: skip  # noqa: E501
    assert len(check(**section, exclude=[f"train/rain/{named}.png"]).manifest["d"]) == len(found.manifest["d"]) - 1


def test_only_the_star_of_exclude_is_special(tree, check):
    for n, name in enumerate(("a[1]", "a1", "b?", "bb"), start=20):
        write_pairs(tree / "train", [n], f"rain/{name}.png", f"norain/{name}.png")
    found = check(exclude=["train/*/a[1].png", "*/b?.png"])
    assert found.errors == [] and found.findings["d"] == []
    left = {sample.rainy for sample in found.manifest["d"]}
    assert {"train/rain/a1.png", "train/rain/bb.png"} <= left
    assert not {"train/rain/a[1].png", "train/rain/b?.png"} & left


def test_a_pattern_of_exclude_that_matches_nothing_is_a_warning(tree, check, look, capsys):
    patterns = ["Train/rain/1.png", "train/*/1.png"]
    found = check(exclude=patterns)
    assert [str(finding) for finding in found.findings["d"]] == ["exclude: 'Train/rain/1.png' matches no file"]
    assert "warning: datasets.d: exclude: 'Train/rain/1.png' matches no file" in capsys.readouterr().err
    # Of a dataset that is only scored, nobody looks for the training images that the pattern may be about.
    scored = {"layout": "rain-norain", "root": str(tree), "exclude": patterns}
    write_pairs(tree.parent / "other/train", range(31, 37))
    write_pairs(tree.parent / "other/test", range(41, 43))
    other = {"layout": "rain-norain", "root": str(tree.parent / "other")}
    found = look({"d": other, "scored": scored})
    assert found.errors == [] and found.findings["scored"] == []
