"""What is found again where it is not what was kept: caches, and other files that nobody misses."""

import json
import os

import pytest
from derain.files.cache import read_cache, write_cache

VALUE = {"a": [1, 0.1, None, "θ"], "b": {}}


@pytest.fixture
def cache(tmp_path):
    path = tmp_path / "folder/cache.json"
    write_cache(path, "key", VALUE)
    return path


def test_a_value_comes_back_under_its_key_alone(cache):
    assert read_cache(cache, "key") == VALUE
    assert read_cache(cache, "another") is None
    assert os.listdir(cache.parent) == ["cache.json"]


DAMAGE = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "one digit": lambda content: content.replace(b"0.1", b"0.2"),
    "no UTF-8": lambda content: b"\xff" + content,
    "another type": lambda content: b"[]",
    "no text": lambda content: b'{"digest": 1, "value": 1}',
    "no digest": lambda content: json.dumps({"value": "1"}).encode(),
    "deep": lambda content: b"[" * 200000,
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_one_is_none_and_is_replaced(how, cache):
    content = DAMAGE[how](cache.read_bytes())
    assert content != cache.read_bytes()
    cache.write_bytes(content)
    assert read_cache(cache, "key") is None
    write_cache(cache, "key", VALUE)
    assert read_cache(cache, "key") == VALUE


def test_what_is_no_regular_file_is_none_and_waits_for_nobody(cache):
    for make in (os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)):
        if cache.is_dir():
            cache.rmdir()
        else:
            cache.unlink()
        make(cache)
        assert read_cache(cache, "key") is None
        write_cache(cache, "key", VALUE)  # or not, where a folder is in its place


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path):
    (tmp_path / "file").touch()
    write_cache(tmp_path / "file/cache.json", "key", VALUE)
    assert os.listdir(tmp_path) == ["file"]
