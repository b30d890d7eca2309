import errno
from types import SimpleNamespace

import pytest
from derain.errors import UserError, exit_in_one_line


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


def test_other_faults_of_the_system_are_no_fault_of_the_user():
    for fault in (PermissionError(errno.EACCES, "Permission denied"), FileNotFoundError(errno.ENOENT, "None", "x")):
        with pytest.raises(OSError, match=r"Permission|None"), exit_in_one_line():
            raise fault
