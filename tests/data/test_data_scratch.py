"""Copies of packed pixels on a node: one for each store, equal to it, and never a wrong or an incomplete one."""

import multiprocessing
import os
import re
import resource
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from derain.data import store as stores
from derain.data.packing import list_only, pack
from derain.data.store import PackedPairs, near, pairs_digest
from derain.errors import UserError
from derain.files import scratch
from derain.files.cache import write_cache
from derain.files.digest import file_digest
from derain.files.scratch import CHECKED
from derain.files.stamp import stamp
from trees import write_pairs

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def store(root, look, tmp_path):
    """A packed store of training pairs."""
    write_pairs(root, range(6))
    samples = look({"d": {"layout": "folders", "root": str(root), **PLACES}}).manifest["d"]
    pixels, table = tmp_path / "shared/pixels.bin", tmp_path / "shared/pairs.csv"
    pixels.parent.mkdir()
    pack(samples, root, pixels, table, 1)
    return table, pixels, pairs_digest(samples)


PLACES = {"train": {"rainy": "rain/{scene}.png", "clean": "norain/{scene}.png"}, "test_share": 0.2}


@pytest.fixture
def pixels_near(tmp_path, store):
    """pixels_near() → pixels that a job reads, and its log."""

    def look(place=tmp_path / "node", asked=store):
        log = tmp_path / "log"
        log.write_text("", encoding="utf-8")
        ((table, pixels, digest),) = near([asked], str(place), str(log))
        assert (table, digest) == (asked[0], asked[2])
        return Path(pixels), log.read_text(encoding="utf-8")

    return look


def test_without_a_folder_the_stores_stay_as_they_are(store, tmp_path):
    assert near([store], None, None) == [store]
    assert not (tmp_path / "node").exists()


def test_the_copy_has_the_bytes_of_the_store_and_readers_read_it(store, pixels_near, tmp_path, monkeypatch):
    monkeypatch.setenv("HERE", str(tmp_path / "node"))
    copy, told = pixels_near("$HERE/scratch")
    assert copy.is_relative_to(tmp_path / "node/scratch") and copy.read_bytes() == store[1].read_bytes()
    assert told == f"copied {store[1]} to {copy}\n"
    both = [PackedPairs([(store[0], pixels, store[2])], "train") for pixels in (store[1], copy)]
    for shared, mine in zip(*both, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(shared, mine, strict=True))
    assert mine[0].base.filename == copy
    assert pixels_near("$HERE/scratch") == (copy, "")  # a second job finds it


def test_jobs_that_begin_at_once_make_one_copy(store, tmp_path, monkeypatch):
    together, make = FORK.Barrier(3), scratch._make

    def slowly(*files):
        time.sleep(0.3)
        make(*files)

    def job(number):
        together.wait(20)
        ((_, pixels, _),) = near([store], str(tmp_path / "node"), str(tmp_path / "log"))
        assert Path(pixels).read_bytes() == store[1].read_bytes() and Path(pixels) != store[1]

    monkeypatch.setattr(scratch, "_make", slowly)
    jobs = [FORK.Process(target=job, args=(number,)) for number in range(3)]
    for each in jobs:
        each.start()
    for each in jobs:
        each.join(60)
    assert [each.exitcode for each in jobs] == [0, 0, 0]
    assert len(re.findall("^copied ", (tmp_path / "log").read_text(encoding="utf-8"), re.M)) == 1


def test_stores_with_other_pairs_have_other_copies(store, pixels_near, root, look, tmp_path):
    before, _ = pixels_near()
    write_pairs(root, range(6), rain=1)
    samples = look({"d": {"layout": "folders", "root": str(root), **PLACES}}).manifest["d"]
    pack(samples, root, store[1], store[0], 1)
    after, _ = pixels_near(asked=(*store[:2], pairs_digest(samples)))
    assert after != before and after.read_bytes() == store[1].read_bytes() != before.read_bytes()


def test_a_job_reads_the_shared_store_where_the_folder_cannot_be_used(store, pixels_near, tmp_path, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    (tmp_path / "file").touch()
    for place, reason in (
        ("$NOWHERE/x", "a variable is not set, or the path is not absolute"),
        (tmp_path / "file/x", "Not a directory"),
    ):
        pixels, told = pixels_near(place)
        assert pixels == store[1]
        assert re.fullmatch(rf"local_scratch: {re.escape(str(place))} on \S+: {reason}; this job reads \S+\n", told)


def test_a_disk_that_is_too_small_stays_empty(store, pixels_near, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (store[1].stat().st_size - 1, hard))  # larger files fail
    try:
        pixels, told = pixels_near()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert pixels == store[1]
    assert re.fullmatch(r"local_scratch: \S+ on \S+: File too large; this job reads \S+\n", told)
    assert {path.name for path in (tmp_path / "node").rglob("*") if path.is_file()} == {"lock"}


def test_a_copy_that_was_changed_or_cut_is_made_again(store, pixels_near):
    copy, _ = pixels_near()
    right = store[1].read_bytes()
    for content in (right[:-1], bytes([right[0] ^ 1]) + right[1:], b""):
        before = copy.stat()
        copy.write_bytes(content)
        os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
        found, told = pixels_near()
        assert found == copy and copy.read_bytes() == right and told.startswith("copied ")
    copy.with_name(CHECKED).unlink()
    assert pixels_near()[1].startswith("copied ")


def test_a_copy_that_decays_afterwards_ends_the_job_in_a_line_that_names_it(store, pixels_near):
    """A disk that changes bytes changes no stamp."""
    copy, _ = pixels_near()
    copy.write_bytes(bytes(copy.stat().st_size))
    write_cache(copy.with_name(CHECKED), file_digest(store[0]), stamp(str(copy)))
    assert pixels_near() == (copy, "")
    with pytest.raises(UserError, match=rf"^{re.escape(str(copy))}: .*; delete {re.escape(str(copy.parent))} and run"):
        list(PackedPairs([(store[0], copy, store[2])], "train"))


def test_a_job_killed_while_it_copies_leaves_no_copy(store, pixels_near, tmp_path, monkeypatch):
    begun = FORK.Event()

    class Stuck(PackedPairs):
        def __iter__(self):
            begun.set()
            time.sleep(60)

    with monkeypatch.context() as patch:
        patch.setattr(stores, "PackedPairs", Stuck)
        job = FORK.Process(target=near, args=([store], str(tmp_path / "node"), str(tmp_path / "log")))
        job.start()
        assert begun.wait(20)
        os.kill(job.pid, signal.SIGKILL)
        job.join()
    left = {path.name for path in (tmp_path / "node").rglob("*") if path.is_file()}
    assert left == {"lock", "pixels.bin.partial"}
    copy, told = pixels_near()
    assert told.startswith("copied ") and copy.read_bytes() == store[1].read_bytes()
    assert not copy.with_name("pixels.bin.partial").exists()


def test_a_damaged_store_is_not_copied(store, pixels_near, tmp_path):
    content = bytearray(store[1].read_bytes())
    content[0] ^= 1
    store[1].write_bytes(content)
    pixels, told = pixels_near()
    assert pixels == store[1] and "are not those that were packed" in told
    assert not list((tmp_path / "node").rglob("pixels.bin*"))


def test_a_store_without_packed_pixels_is_not_copied(root, look, pixels_near, tmp_path):
    write_pairs(root, range(3))
    samples = look({"d": {"layout": "folders", "root": str(root), **PLACES}}).manifest["d"]
    list_only(samples, root, tmp_path / "pixels.bin", tmp_path / "pairs.csv")
    unpacked = (tmp_path / "pairs.csv", tmp_path / "pixels.bin", pairs_digest(samples))
    assert pixels_near(asked=unpacked) == (unpacked[1], "")
    assert not (tmp_path / "node").exists()
