"""Photographs in files and folders: outputs, what is done already, what is kept, and a kill."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from derain.evaluation.tiles import smallest_side
from derain.files.digest import file_digest
from derain.restoration import files
from derain.restoration.folder import remove_others
from derain.restoration.photographs import RECORD, photographs
from PIL import Image
from places import REPOSITORY
from restorations import pixels, pixels_of, restore, whole
from waiting import until


def test_a_folder_is_restored_with_its_subfolders_by_a_stage_of_the_results(photos, theta, network, tmp_path):
    assert restore(photos, "-o", tmp_path / "out", "-n", theta.parent) == 0
    for name in ("a.png", "more/b.png"):
        expected = whole(network, pixels_of(photos / name))
        np.testing.assert_array_equal(pixels_of(tmp_path / "out" / name), expected)
    assert (tmp_path / "out/c.jpg").is_file()
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_a_pattern_names_photographs(photos, theta, tmp_path, capsys):
    assert restore(f"{photos}/**/*.png", "-o", tmp_path / "out", "-n", theta) == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"a.png", "b.png", RECORD}
    assert restore(f"{photos}/*.tif", "-o", tmp_path / "out", "-n", theta) == 1
    assert "*.tif: no file has such a name" in capsys.readouterr().err


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (900, 2)])
def test_extreme_sizes_are_restored(size, theta, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "side_within", lambda network, field, *_: smallest_side(field))
    Image.fromarray(pixels(*size)).save(tmp_path / "p.png")
    assert restore(tmp_path / "p.png", "-o", tmp_path / "out", "-n", theta) == 0
    assert pixels_of(tmp_path / "out/p.png").shape == (*size, 3)


def test_the_command_says_what_it_has_done(photos, theta, tmp_path, capsys):
    """3 photographs; then one of them is damaged, one missing in the output folder, one there."""
    given, out = (photos, "-o", tmp_path / "out", "-n", theta), tmp_path / "out"
    assert restore(*given) == 0
    assert capsys.readouterr().out == f"3 photographs → {out}: 3 restored\n"
    (photos / "a.png").write_bytes(b"")
    (out / "c.jpg").unlink()
    assert restore(*given) == 1
    assert capsys.readouterr().out == f"3 photographs → {out}: 1 restored, 1 there already, 1 not restored\n"
    assert restore(photos / "c.jpg", *given[1:]) == 0
    assert capsys.readouterr().out == f"1 photograph → {out}: 1 there already\n"


def test_what_is_done_is_skipped_and_what_changed_is_not(photos, theta, tmp_path):
    given = (photos, "-o", tmp_path / "out", "-n", theta)
    assert restore(*given) == 0
    files = sorted((tmp_path / "out").rglob("*.*g"))
    before = {file: (file.stat().st_mtime_ns, file_digest(file)) for file in files}
    assert restore(*given) == 0
    assert {file: (file.stat().st_mtime_ns, file_digest(file)) for file in files} == before
    Image.fromarray(pixels(9, 9)).save(photos / "a.png")
    (tmp_path / "out/c.jpg").unlink()
    assert restore(*given) == 0
    changed = {file.name for file in files if file.stat().st_mtime_ns != before[file][0]}
    assert changed == {"a.png", "c.jpg"}
    assert pixels_of(tmp_path / "out/a.png").shape == (9, 9, 3)
    assert file_digest(tmp_path / "out/c.jpg") == before[tmp_path / "out/c.jpg"][1]


def test_nothing_that_another_program_wrote_is_replaced_unasked(photos, theta, tmp_path, capsys):
    before = {file: file.read_bytes() for file in photos.rglob("*.*g")}
    assert restore(photos, "-o", photos, "-n", theta) == 1  # in the output folder, all files are taken for outputs
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {photos}: has no photograph outside the output folder {photos}")
    assert restore(*before, "-o", photos, "-n", theta) == 1
    told = capsys.readouterr().err.splitlines()  # more/b.png has its output beside them
    assert told == [
        f"error: {photos}/{name}: is the input itself; choose another folder" for name in ("a.png", "c.jpg")
    ]
    out = tmp_path / "out"
    out.mkdir()
    for foreign in (out / "a.png", out / "c.jpg"):
        foreign.write_bytes(b"mine")
    assert restore(photos, "-o", out, "-n", theta) == 1
    assert capsys.readouterr().err.count("use derain restore --overwrite\n") == 2
    assert (out / "a.png").read_bytes() == (out / "c.jpg").read_bytes() == b"mine"
    assert {file: file.read_bytes() for file in before} == before
    assert restore(photos / "a.png", "-o", photos, "-n", theta, "--overwrite") == 0
    assert (photos / "a.png").read_bytes() != before[photos / "a.png"]


def test_outputs_of_photographs_that_are_gone_are_removed_unless_they_were_changed(photos, theta, tmp_path):
    Image.fromarray(pixels(20, 30)).save(photos / "changed.png")
    assert restore(photos, "-o", tmp_path / "out", "-n", theta) == 0
    (tmp_path / "out/own.png").write_bytes(b"x")
    (tmp_path / "out/changed.png").write_bytes(b"x")
    todo, _ = photographs([str(photos / "a.png")], tmp_path / "out", compare=False)
    assert {str(place) for place in remove_others(tmp_path / "out", todo)} == {"c.jpg", "more/b.png"}
    left = {file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("*")}
    assert left == {"a.png", "own.png", "changed.png", RECORD}
    assert remove_others(tmp_path / "out", todo) == []


@pytest.mark.slow
def test_a_kill_leaves_whole_outputs_and_the_same_command_does_the_rest(photos, theta, tmp_path):
    """The last photograph takes seconds, so that the kill comes before the end."""
    for n in range(12):
        Image.fromarray(pixels(60 + n, 100)).save(photos / f"{n:02}.png")
    Image.fromarray(pixels(1000, 1500)).save(photos / "z.png")

    def outputs(folder):
        return {file.name: file.read_bytes() for file in (tmp_path / folder).rglob("*.*g")}

    assert restore(photos, "-n", theta, "-o", tmp_path / "whole", "--threads", 1) == 0
    command = [sys.executable, "-m", "derain", "restore", photos, "-n", theta, "--threads", "1"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "scripts")}
    with subprocess.Popen([*command, "-o", tmp_path / "killed"], env=environment) as run:
        until(lambda: outputs("killed") or run.poll() is not None, "the first output")
        run.kill()
    assert run.returncode == -signal.SIGKILL
    killed = outputs("killed")
    assert killed
    assert killed.items() < outputs("whole").items()  # each is whole, and some are missing
    (tmp_path / "killed" / RECORD).open("a").write('\n["00.png", "ab')  # a line that the kill has cut
    assert restore(photos, "-n", theta, "-o", tmp_path / "killed", "--threads", 1) == 0
    assert outputs("killed") == outputs("whole")
