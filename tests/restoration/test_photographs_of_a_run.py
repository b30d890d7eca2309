"""The photographs of the config, before any job: faults, digest and cache."""

import os
from functools import partial
from pathlib import Path

import pytest
from derain.errors import UserError
from derain.restoration import planned
from derain.restoration.planned import PlannedPhotographs
from faults import faults_of
from PIL import Image
from restorations import pixels

CACHE = Path("results/photographs.json")


@pytest.fixture(autouse=True)
def here(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)


def _checked(*files):
    found = PlannedPhotographs(files, CACHE)
    found.check(lambda write: write())
    return found.digest


_faults = partial(faults_of, _checked)


def test_what_names_no_photograph_is_one_line_with_its_key():
    Path("empty/below").mkdir(parents=True)
    Path("empty/below/notes.txt").touch()
    assert _faults("photos", "photos/none.png", "empty", "photos/*.gif", "photos/c.jpg/x") == [
        "config: photographs.files[1]: photos/none.png: no file has such a name",
        "config: photographs.files[2]: empty: has no file with the suffix of an image",
        "config: photographs.files[3]: photos/*.gif: no file has such a name",
        "config: photographs.files[4]: photos/c.jpg/x: no file has such a name",
    ]


def test_two_photographs_with_one_output_are_one_line():
    Path("other").mkdir()
    Image.fromarray(pixels(8, 8)).save("other/a.png")
    assert _faults("photos", "other") == [
        "config: photographs.files[1]: other/a.png: its output a.png is that of photos/a.png, too; restore them into "
        "different folders"
    ]


def test_a_photograph_among_the_pictures_of_the_comparison_is_one_line():
    Path("photos/compare").mkdir()
    Image.fromarray(pixels(8, 8)).save("photos/compare/a.png")
    assert _faults("photos") == [
        "config: photographs.files[0]: photos/compare/a.png: its output compare/a.png would be among the pictures of "
        "the comparison; restore its folder by itself, or rename it"
    ]
    assert _checked("photos/compare")


def test_results_are_no_photographs():
    """A folder that holds the results folder."""
    before = _checked("photos", "./photos")
    for place in ("results/photographs/net/restored/a.png", "results/datasets/x/contact.jpg"):
        Path(place).parent.mkdir(parents=True)
        Image.fromarray(pixels(8, 8)).save(place)
    whole = _checked(".")
    Image.fromarray(pixels(9, 9)).save("results/photographs/net/restored/b.png")
    assert _checked(".") == whole
    assert _checked("photos") == before
    (line,) = _faults("results")
    assert line.startswith("config: photographs.files[0]: results: has no photograph outside the output folder results")


def test_the_digest_is_of_bytes_and_places():
    before = _checked("photos")
    os.utime("photos/a.png")
    Path("photos").rename("moved")
    assert _checked("moved") == before
    found = {before}
    Path("moved/a.png").rename("moved/d.png")
    found.add(_checked("moved"))
    Image.fromarray(pixels(9, 9)).save("moved/d.png")
    found.add(_checked("moved"))
    Path("moved/d.png").unlink()
    found.add(_checked("moved"))
    assert len(found) == 4


def test_only_what_is_new_is_read(monkeypatch):
    before, read = _checked("photos"), []
    digest = planned._digest
    monkeypatch.setattr(planned, "_digest", lambda file: read.append(file) or digest(file))
    assert _checked("photos") == before
    assert read == []
    Image.fromarray(pixels(9, 9)).save("photos/new.png")
    Path("photos/c.jpg").unlink()
    assert _checked("photos") != before
    assert read == ["photos/new.png"]


def test_a_photograph_that_cannot_be_read_is_left_to_the_job_and_tried_again():
    Path("photos/broken.png").symlink_to("nowhere")
    before = _checked("photos")
    Path("nowhere").touch()
    Path("photos/broken.png").unlink()
    Image.fromarray(pixels(9, 9)).save("photos/broken.png")
    assert _checked("photos") != before


def test_a_job_takes_the_photographs_of_the_plan_and_no_others():
    digest = _checked("photos")
    in_a_job = PlannedPhotographs(["photos"], CACHE, {"photographs": {"all": digest}})
    assert in_a_job.digest == digest
    assert [str(each.place) for each in in_a_job.unchanged(digest)] == ["a.png", "c.jpg", "more/b.png"]
    Image.fromarray(pixels(9, 9)).save("photos/a.png")
    with pytest.raises(UserError, match=r"since this run began; run again$"):
        in_a_job.unchanged(digest)


def test_without_photographs_there_is_nothing_to_look_at():
    assert _checked() == ""
    assert not CACHE.exists()
