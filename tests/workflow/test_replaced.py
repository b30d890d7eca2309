"""Files of stages that a person put in the place of those that the workflow made."""

import os
import shutil

import pytest
from commandline import planned, snakemake
from derain.files import tensors
from derain.files.origin import origin_of
from test_reruns import EXPERIMENT, write_data

SMALL = EXPERIMENT | {
    "methods": {"nr": EXPERIMENT["methods"]["nr"]},
    "joint": None,
    "evaluation": {"previews": 0, "theory_patches": 0},
}
A, B = "results/stages/net/seed0/first/a", "results/stages/net/seed0/first/b"
FIRST, OTHER, OMEGA = f"{A}/theta.safetensors", f"{B}/theta.safetensors", f"{A}/omega-gradient.safetensors"
LAST = "results/stages/net/seed0/nr/a/b/theta.safetensors"
SCORES = f"{A}/scores/all.csv"
TARGETS = [LAST, OTHER, SCORES]


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A directory in which a small experiment has run."""
    directory = tmp_path_factory.mktemp("small")
    write_data(directory)
    run = snakemake(directory, SMALL, *TARGETS)
    assert run.returncode == 0, run.stderr
    return directory


@pytest.fixture
def copy(small, tmp_path):
    """Another one in which it has."""
    return shutil.copytree(small, tmp_path / "copy")


def _errors(run):
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    return {line for line in run.stderr.splitlines() if line.startswith("error: ")}


def _same(copy, small):
    return all((copy / file).read_bytes() == (small / file).read_bytes() for file in (FIRST, OMEGA, LAST, SCORES))


def _of_another_stage(theta):
    shutil.copyfile(theta.parents[1] / "b/theta.safetensors", theta)


def _changed_by_another_program(theta):
    content = bytearray(theta.read_bytes())
    content[-1] ^= 1
    theta.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("replace", "reason"),
    [
        (_of_another_stage, "was made by another recipe than the config, data and code now give"),
        (_changed_by_another_program, "is no valid safetensors file (damaged, or changed after it was written)"),
    ],
)
def test_a_theta_that_was_replaced_is_refused_and_deleting_it_brings_back_the_same_bytes(replace, reason, copy, small):
    replace(copy / FIRST)
    for error in _errors(snakemake(copy, SMALL, "--keep-going", *TARGETS)):
        assert error.startswith(f"error: {FIRST}: {reason}; delete it and run again")
    assert not (copy / LAST).exists()
    assert not (copy / SCORES).exists()
    assert origin_of(copy / FIRST) is None
    (copy / FIRST).unlink()
    run = snakemake(copy, SMALL, *TARGETS)
    assert run.returncode == 0, run.stderr
    assert _same(copy, small)
    assert origin_of(copy / FIRST)["folder"].startswith(str(copy))


@pytest.mark.slow
def test_the_omega_of_another_theta_is_refused_and_deleting_it_makes_it_at_the_new_one(copy, small):
    """θ of the same recipe, of a machine of another kind."""
    arrays, told = tensors.read(copy / FIRST)
    tensors.write(copy / FIRST, {name: array * 1.001 for name, array in arrays.items()}, told)
    (error,) = _errors(snakemake(copy, SMALL, LAST))
    assert error.startswith(f"error: {OMEGA}: was made at another θ than {FIRST}, which has been replaced; delete it")
    (copy / OMEGA).unlink()
    run = snakemake(copy, SMALL, *TARGETS)
    assert run.returncode == 0, run.stderr
    assert not _same(copy, small)
    assert planned(snakemake(copy, SMALL, "-n", *TARGETS)) == []


@pytest.mark.slow
def test_an_omega_that_was_replaced_is_refused(copy, small):
    arrays, _ = tensors.read(copy / OMEGA)
    tensors.write(copy / OMEGA, arrays, {"another": "recipe"})
    (error,) = _errors(snakemake(copy, SMALL, *TARGETS))
    assert error.startswith(
        f"error: {OMEGA}: was made by another recipe than the config, data and code now give; delete it"
    )
    (copy / OMEGA).unlink()
    run = snakemake(copy, SMALL, *TARGETS)
    assert run.returncode == 0, run.stderr
    assert _same(copy, small)


@pytest.mark.slow
def test_a_theta_that_was_replaced_by_an_older_file_is_told_by_every_plan(copy, small):
    times = (copy / FIRST).stat()
    shutil.copyfile(copy / OTHER, copy / FIRST)
    os.utime(copy / FIRST, ns=(times.st_atime_ns, times.st_mtime_ns - 10**9))
    (error,) = _errors(snakemake(copy, SMALL, "-n", *TARGETS))
    assert error.startswith(f"error: {FIRST}: was changed after ")
    assert error.endswith("to undo the change, delete it and run again; to keep it, touch it and run again")
    (copy / FIRST).unlink()
    run = snakemake(copy, SMALL, FIRST, *TARGETS)
    assert run.returncode == 0, run.stderr
    assert _same(copy, small)


@pytest.mark.slow
def test_a_table_that_was_changed_is_told_and_deleting_it_brings_back_the_same_bytes(copy, small):
    table = (copy / SCORES).read_text()
    (copy / SCORES).write_text(table.replace("2", "3"))
    (error,) = _errors(snakemake(copy, SMALL, *TARGETS))
    assert error == f"error: {SCORES}: was changed after it was made; delete it and run again"
    (copy / SCORES).unlink()
    run = snakemake(copy, SMALL, *TARGETS)
    assert run.returncode == 0, run.stderr
    assert (copy / SCORES).read_text() == table
