"""The store: the same pixels as the files, whole or not there, and patches alike whether packed or not."""

import errno
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from derain.data.images import read_rgb
from derain.data.packing import list_only, pack
from derain.data.parallel import in_parallel
from derain.data.patches import PatchSampler
from derain.data.store import PackedPairs, pairs_digest
from derain.errors import UserError
from trees import photograph, rainy, write, write_pairs

SIZES = [(40, 56), (41, 57), (57, 41), (16, 99), (97, 31)]


@pytest.fixture
def samples(root, look):
    """A manifest of images of many sizes, with side-by-side ones and real rain."""
    for n, size in enumerate(SIZES * 2):
        write(root / "train" / "rain" / f"{n}.png", rainy(n, 0, *size))
        write(root / "train" / "norain" / f"{n}.png", photograph(n, *size))
        write(root / "test" / f"{n}.png", np.concatenate([photograph(90 + n, *size), rainy(90 + n, 0, *size)], axis=1))
    test = {"side_by_side": "test/{scene}.png", "clean": "left"}
    found = look({"d": {"layout": "rain-norain", "root": str(root), "test": test}})
    assert found.errors == []
    return found.manifest["d"]


def stored(samples, root, folder, packed=True, workers=2):
    folder.mkdir(exist_ok=True)
    pixels, table = folder / "pixels.bin", folder / "pairs.csv"
    pack(samples, root, pixels, table, workers) if packed else list_only(samples, root, pixels, table)
    return [(table, pixels, pairs_digest(samples))]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_pixels_are_those_of_the_files(samples, root, tmp_path):
    store = stored(samples, root, tmp_path / "s")
    for split in ("train", "validation", "test"):
        pairs = PackedPairs(store, split)
        of_split = [sample for sample in samples if sample.split == split]
        assert [row.name for row in pairs.rows] == [sample.name for sample in of_split] != []
        for sample, (got_rainy, got_clean) in zip(of_split, pairs, strict=True):
            for (file, part), got in zip(sample.pictures, (got_rainy, got_clean), strict=True):
                assert np.array_equal(read_rgb(root / file, part), got)
    assert isinstance(PackedPairs(store, "train")[0][0].base, np.memmap)


def test_a_clean_image_under_many_rains_is_stored_once(root, look, tmp_path):
    for scene in range(6):
        write(root / "clean" / f"{scene}.png", photograph(scene))
        for rain in range(3):
            write(root / "rainy" / f"{scene}_{rain}.png", rainy(scene, rain))
    pairs = {"rainy": "rainy/{scene}_{rain}.png", "clean": "clean/{scene}.png"}
    found = look({"d": {"layout": "folders", "root": str(root), "train": pairs, "test_share": 0.3}})
    ((_, pixels, _),) = store = stored(found.manifest["d"], root, tmp_path / "s")
    assert pixels.stat().st_size == (6 + 18) * photograph(0).size
    for split in ("train", "validation", "test"):
        stored_pairs = PackedPairs(store, split)
        for row, (got_rainy, got_clean) in zip(stored_pairs.rows, stored_pairs, strict=True):
            assert np.array_equal(got_clean, read_rgb(root / "clean" / f"{row.scene}.png"))
            assert np.array_equal(got_rainy, read_rgb(root / row.name))


def test_a_pickled_store_holds_no_pixels(samples, root, tmp_path):
    """What a data worker gets that is started anew rather than forked."""
    pairs = PackedPairs(stored(samples, root, tmp_path / "s"), "train")
    before = pickle.dumps(pairs)
    assert all(np.array_equal(a, b) for a, b in zip(pairs[0], pickle.loads(before)[0], strict=True))
    assert pickle.dumps(pairs) == before


def test_the_number_of_workers_changes_no_byte(samples, root, tmp_path):
    for workers in (1, 4):
        stored(samples, root, tmp_path / f"s{workers}", workers=workers)
    assert content(tmp_path / "s1") == content(tmp_path / "s4")


def test_unpacked_gives_the_same_patches_and_digest(samples, root, tmp_path):
    packed = PackedPairs(stored(samples, root, tmp_path / "s"), "train")
    files = PackedPairs(stored(samples, root, tmp_path / "f", packed=False), "train")
    assert packed.digest == files.digest
    for patch in (12, 40):  # 40 reaches beyond the smallest images, which are reflected
        one, other = (PatchSampler(pairs, patch, 4, (0, 1)) for pairs in (packed, files))
        for step in range(3):
            for a, b in zip(one[step], other[step], strict=True):
                assert a.shape == (4, 3, patch, patch) and a.equal(b)


@pytest.mark.parametrize("file", ["rainy_file", "clean_file"])
@pytest.mark.parametrize("size", [(20, 20), SIZES[0]])
def test_unpacked_files_that_changed_are_named(samples, root, tmp_path, file, size):
    pairs = PackedPairs(stored(samples, root, tmp_path / "f", packed=False), "train")
    number = next(n for n, row in enumerate(pairs.rows) if (row.height, row.width) == SIZES[0])
    pairs[number]
    write(Path(getattr(pairs.rows[number], file)), rainy(77, 0, *size))
    with pytest.raises(UserError, match="changed since it was checked"):
        pairs[number]


def cut(path, size):
    os.truncate(path, size)


def with_other_bytes(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def without_a_line(path, number):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:number] + lines[number + 1 :]))


DAMAGES = {
    "no pixels file": ("pixels.bin", lambda path: path.unlink()),
    "no pixels": ("pixels.bin", lambda path: cut(path, 0)),
    "half of the pixels": ("pixels.bin", lambda path: cut(path, path.stat().st_size // 2)),
    "no last byte": ("pixels.bin", lambda path: cut(path, path.stat().st_size - 1)),
    "zeroes": ("pixels.bin", lambda path: path.write_bytes(bytes(path.stat().st_size))),
    "one bit of the first image": ("pixels.bin", lambda path: with_other_bytes(path, 0)),
    "one bit of the last image": ("pixels.bin", lambda path: with_other_bytes(path, -1)),
    "no table": ("pairs.csv", lambda path: path.unlink()),
    "an empty table": ("pairs.csv", lambda path: cut(path, 0)),
    "half of the table": ("pairs.csv", lambda path: cut(path, path.stat().st_size // 2)),
    "no last row": ("pairs.csv", lambda path: without_a_line(path, -1)),
    "a row less": ("pairs.csv", lambda path: without_a_line(path, 3)),
    "a table of bytes": ("pairs.csv", lambda path: path.write_bytes(bytes(range(256)) * 9)),
    "another split": ("pairs.csv", lambda path: path.write_text(path.read_text().replace("validation,", "train,"))),
    "other offsets": ("pairs.csv", lambda path: path.write_text(path.read_text().replace(",True,0,", ",True,3,"))),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_named_and_what_to_do(samples, root, tmp_path, damage):
    samples = [sample for sample in samples if sample.split != "test"]
    store = stored(samples, root, tmp_path / "s")
    file, spoil = DAMAGES[damage]
    before = content(tmp_path / "s")
    spoil(tmp_path / "s" / file)
    assert content(tmp_path / "s") != before
    with pytest.raises(UserError) as told:
        for split in ("train", "validation"):
            list(PackedPairs(store, split))
    (line,) = str(told.value).splitlines()
    assert line.startswith(f"{tmp_path / 's'}/p") and line.endswith(f"delete {tmp_path / 's'} and run again")


def test_packed_pixels_are_hashed_once(samples, root, tmp_path, monkeypatch):
    pairs = PackedPairs(stored(samples, root, tmp_path / "s"), "train")
    list(pairs)
    monkeypatch.setattr("derain.data.store.images_digest", lambda *_: pytest.fail("hashed again"))
    list(pairs)
    with pytest.raises(pytest.fail.Exception):  # another process has its own eyes
        list(pickle.loads(pickle.dumps(pairs)))


def test_packing_stops_where_a_file_changed_since_it_was_checked(samples, root, tmp_path):
    write(root / samples[0].rainy, rainy(77, 0, samples[0].height, samples[0].width))
    with pytest.raises(UserError, match="changed since it was checked"):
        stored(samples, root, tmp_path / "s")
    assert not {"pixels.bin", "pairs.csv"} & set(content(tmp_path / "s"))


def test_packing_into_a_file_that_becomes_too_large_names_it(samples, root, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EFBIG, "File too large")

    for function in ("pwrite", "fsync"):
        with monkeypatch.context() as broken, pytest.raises(OSError, match="File too large") as raised:
            broken.setattr(os, function, refuse)
            stored(samples, root, tmp_path / "s")
        assert raised.value.filename == str(tmp_path / "s/pixels.bin")


def test_a_write_that_stops_early_is_continued(samples, root, tmp_path, monkeypatch):
    stored(samples, root, tmp_path / "s")
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, rest, offset: pwrite(file, rest[: 1 + len(rest) // 2], offset))
    stored(samples, root, tmp_path / "half")
    assert content(tmp_path / "half") == content(tmp_path / "s")


def test_packing_that_does_not_fit_on_the_disk(samples, root, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match="pack: false"):
        stored(samples, root, tmp_path / "s")


# Packs so many samples as asked for, and comes no further.
STUCK_PACK = """
import itertools, os, sys, threading
from pathlib import Path
from derain.data import packing
from derain.data.samples import read_manifest
put, begun, samples = packing._put, itertools.count(), int(sys.argv[4])
def stuck(*given):
    if next(begun) >= samples:
        os.write(1, b"stuck\\n")  # whole, even if both threads are
        threading.Event().wait()
    return put(*given)
packing._put = stuck
manifest, root, folder = map(Path, sys.argv[1:4])
packing.pack(read_manifest(manifest), root, folder / "pixels.bin", folder / "pairs.csv", 2)
"""


def test_killed_and_run_again_gives_the_same_bytes(samples, root, tmp_path):
    stored(samples, root, tmp_path / "undisturbed")
    folder = tmp_path / "killed"
    folder.mkdir()
    command = [sys.executable, "-c", STUCK_PACK, tmp_path / "results" / "d" / "manifest.csv", root, folder]
    scripts = Path(__file__).parents[2] / "scripts"
    for packed in (0, 1, len(samples) - 1):
        with subprocess.Popen(
            [*command, str(packed)], env=os.environ | {"PYTHONPATH": str(scripts)}, stdout=subprocess.PIPE
        ) as process:
            told = process.stdout.readline()
            process.send_signal(signal.SIGKILL)  # before anything fails: leaving the block waits for the process
        assert told == b"stuck\n"
        assert set(content(folder)) == {"pixels.bin.partial"}
    stored(samples, root, folder)
    assert content(folder) == content(tmp_path / "undisturbed")


def test_so_many_pairs_are_in_work_as_there_are_workers():
    at_work, most = set(), []

    def work(n):
        at_work.add(n)
        most.append(len(at_work))
        at_work.remove(n)
        return n

    assert list(in_parallel(work, range(600), 2, "")) == list(range(600))
    assert max(most) <= 2


def test_splits_of_several_stores_follow_each_other(root, look, tmp_path):
    write_pairs(root / "train", range(4))
    write_pairs(root / "test", range(4, 6))
    manifest = look({"d": {"layout": "rain-norain", "root": str(root)}}).manifest["d"]
    store = stored(manifest, root, tmp_path / "s")
    assert len(PackedPairs([*store, *store], "test")) == 4
