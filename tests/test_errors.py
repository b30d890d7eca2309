import errno
from types import SimpleNamespace

import pytest
from derain.errors import AT_ALL, UserError, exit_in_one_line, few


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_ends_a_job_in_one_line_that_names_the_file(code, tmp_path, capsys):
    log = tmp_path / "log"
    log.write_text("step 1\n", encoding="utf-8")
    with pytest.raises(SystemExit) as ended, exit_in_one_line(str(log)):
        raise OSError(code, "No space left on device", "results/theta.safetensors")
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: results/theta.safetensors: the disk is full")
    assert log.read_text(encoding="utf-8") == f"step 1\n{line}\n"


def test_a_log_that_cannot_be_written_hides_no_fault(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended, exit_in_one_line(str(tmp_path / "nowhere/log")):
        raise UserError("one\nand another")
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines() == ["error: one", "error: and another"]


def test_where_no_file_is_named_the_full_disk_is(tmp_path, capsys, monkeypatch):
    log = tmp_path / "log"
    usage = {str(tmp_path): 2**30, "/full": 0}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", "/full")
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=usage.get(place, 2**30)))
    for free, told in (
        (0, "/full: the disk is full"),
        (2**30, f"{tmp_path}, or a folder of temporary files: the disk"),
    ):
        usage["/full"] = free
        with pytest.raises(SystemExit), exit_in_one_line(str(log)):
            raise OSError(errno.ENOSPC, "No space left on device")
        assert capsys.readouterr().err.startswith(f"error: {told}")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP])
def test_a_path_that_the_file_system_refuses_is_told_in_one_line(code, capsys):
    with pytest.raises(SystemExit), exit_in_one_line():
        raise OSError(code, "not this one", "a\nb")
    assert capsys.readouterr().err == "error: a\\nb: not this one\n"


@pytest.mark.parametrize(("file", "told"), [(("results/a",), "results/a: "), ((), "a file that was written in ")])
def test_a_file_that_becomes_too_large_is_told_in_one_line(file, told, capsys):
    with pytest.raises(SystemExit), exit_in_one_line():
        raise OSError(errno.EFBIG, "File too large", *file)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {told}")
    assert "becomes larger than the file system" in line
    assert line.endswith("(ulimit -f) allows (File too large)")


def test_other_faults_of_the_system_are_no_fault_of_the_user():
    for fault in (PermissionError(errno.EACCES, "Permission denied"), FileNotFoundError(errno.ENOENT, "None", "x")):
        with pytest.raises(OSError, match=r"Permission|None"), exit_in_one_line():
            raise fault


def test_many_faults_of_a_kind_are_a_few_and_their_count():
    missing = [f"datasets.a: list.txt:{n}: rain/{n}.png does not exist" for n in range(1000)]
    assert few(missing) == [*missing[:5], "… and 995 more like these"]
    named = [f"config: orders[0]: no dataset is called 'x{n}'" for n in range(7)]
    mixed = few([*missing[:3], *named, "one of another kind", *missing[3:]])
    assert mixed == [
        *missing[:3], *named[:5], "… and 2 more like these", "one of another kind", *missing[3:5],
        "… and 995 more like these",
    ]  # fmt: skip


def test_a_count_takes_no_more_room_than_the_line_that_it_stands_for():
    six = [f"datasets.a: {n}.png is damaged" for n in range(6)]
    assert few(six) == six


def test_many_kinds_of_faults_are_cut_as_well():
    kinds = ["x" * n for n in range(1, 1001)]
    lines = few(kinds)
    assert len(lines) == AT_ALL
    assert lines[-1] == f"… and {1000 - AT_ALL + 1} more, some of other kinds"


def test_the_end_of_a_program_tells_few(capsys):
    with pytest.raises(SystemExit), exit_in_one_line():
        raise UserError("\n".join(f"datasets.d{n}.root: there is no folder '/x y/{n}'" for n in range(1000)))
    assert len(capsys.readouterr().err.splitlines()) == 6


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 3 TiB for an array"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you\n.."),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    ],
)
def test_a_full_memory_ends_in_one_line(error, capsys):
    with pytest.raises(SystemExit), exit_in_one_line():
        raise error
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: not enough memory (")


def test_other_errors_of_the_library_are_none_of_memory():
    with pytest.raises(RuntimeError), exit_in_one_line():
        raise RuntimeError("shapes do not match")
