import errno

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


def test_other_faults_of_the_system_are_no_fault_of_the_user():
    with pytest.raises(PermissionError), exit_in_one_line():
        raise PermissionError(errno.EACCES, "Permission denied", "x")
