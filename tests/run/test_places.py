import os

import pytest
from derain.errors import UserError
from derain.restoration.photographs import RECORD
from derain.run.places import check_places, check_regular


def test_places_that_are_no_folders_or_may_not_be_written_are_named(tmp_path, monkeypatch):
    check_places([tmp_path, tmp_path / "missing"], to_write=True)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        with pytest.raises(UserError, match=f"{name}: is no folder"):
            check_places([tmp_path / name], to_write=False)
    monkeypatch.setattr(os, "access", lambda *_: False)
    check_places([tmp_path], to_write=False)
    for folder, to_write, told in ((tmp_path, True, "may not be written"), (tmp_path / "missing", False, "is missing")):
        with pytest.raises(UserError, match=told):
            check_places([folder], to_write)


def test_what_has_the_place_of_a_file_and_is_none_is_named(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/table.csv").touch()
    (tmp_path / "linked").symlink_to("real")
    (tmp_path / "link.csv").symlink_to("real/table.csv")
    (tmp_path / "x.csv").mkdir()
    (tmp_path / "own/folder.jpg").mkdir(parents=True)  # with names of the user's own
    (tmp_path / "own" / RECORD).touch()
    check_regular(tmp_path, {"x.csv"}, RECORD)
    check_regular(tmp_path / "missing", {}, RECORD)
    os.mkfifo(tmp_path / "real/fifo")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(UserError) as told:
        check_regular(tmp_path, {}, RECORD)
    assert str(told.value).splitlines() == [
        f"{tmp_path}/{name}: is no regular file; delete it and run again" for name in ("dangling", "real/fifo", "x.csv")
    ]
    for number in range(9):
        (tmp_path / f"{number}").symlink_to("nowhere")
    with pytest.raises(UserError, match=f"7 more below {tmp_path} are no regular files$"):
        check_regular(tmp_path, {}, RECORD)
