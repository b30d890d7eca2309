import errno
import os
import subprocess
import sys

import pytest
from derain.files.atomic import write_whole
from places import REPOSITORY


def test_a_file_is_replaced_by_the_new_content_and_nothing_is_left_beside_it(tmp_path):
    for parts in ([b"old"], [b"new ", memoryview(b"and longer")], []):
        write_whole(tmp_path / "file", *parts)
        assert (tmp_path / "file").read_bytes() == b"".join(parts)
        assert os.listdir(tmp_path) == ["file"]


def test_what_a_kill_left_is_replaced(tmp_path):
    (tmp_path / "file.partial").write_bytes(b"half of a longer content")
    write_whole(tmp_path / "file", b"whole")
    assert (tmp_path / "file").read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["file"]


def test_what_others_put_in_the_place_of_the_half_file_is_replaced_and_not_written_to(tmp_path):
    (tmp_path / "precious").write_bytes(b"x")
    for make in (os.mkfifo, lambda path: os.symlink("precious", path)):
        make(tmp_path / "file.partial")
        write_whole(tmp_path / "file", b"whole")
        assert (tmp_path / "file").read_bytes() == b"whole"
        assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "precious").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("writer", "says"),
    [
        ("from derain.files.atomic import write_whole; write_whole(path, bytes(10_000))", True),
        ("from derain.files.rows import write_rows; write_rows(path, ['a'], [{'a': 'x' * 10_000}])", True),
        ("from derain.files.cache import write_cache; write_cache(path, 'key', 'x' * 10_000)", False),
    ],
)
def test_a_file_too_large_leaves_the_old_one_and_no_half_one_and_says_which(writer, says, tmp_path):
    """The operating system refuses more than 4,000 bytes a file to this process."""
    (tmp_path / "file").write_bytes(b"old")
    program = f"""if True:
        import resource, signal, sys
        from pathlib import Path
        path = Path(sys.argv[1])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
        try:
            {writer}
        except OSError as error:
            print(error.errno, error.filename)
    """
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "scripts")}
    command = [sys.executable, "-c", program, str(tmp_path / "file")]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert printed.split() == ([str(errno.EFBIG), str(tmp_path / "file")] if says else [])
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_missing_directory_is_no_place(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "nowhere/file", b"")
