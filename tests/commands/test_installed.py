"""What `pip install -r requirements.txt` puts into an environment: the library and the command of one clone."""

import os
import subprocess
import sys
import sysconfig

import pytest
from commandline import environment
from places import REPOSITORY


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An environment with the packages of this one, a clone in a path with a space that is installed there as it is,
    and another clone that is not.
    """
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        for clone in ("a clone", "other"):
            (folder / clone / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / clone / name).write_bytes((REPOSITORY / name).read_bytes())
    paths = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
    site = sysconfig.get_path("purelib", "venv", paths)
    with open(os.path.join(site, "packages.pth"), "w") as file:
        file.write(f"{sysconfig.get_path('purelib')}\n")
    install = [folder / "venv/bin/pip", "install", "--quiet", "--no-deps", "-r", "requirements.txt"]
    subprocess.run(install, cwd=folder / "a clone", check=True)
    return folder


def run(installed, folder, *command):
    own = {name: value for name, value in environment(installed).items() if name != "PYTHONPATH"}
    own["PATH"] = os.pathsep.join([str(installed / "venv/bin"), own["PATH"]])
    return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True)


@pytest.mark.slow
def test_the_command_is_that_of_the_clone_in_any_folder(installed, tmp_path):
    done = run(installed, tmp_path, "derain", "config")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ok\n")
    with (installed / "a clone/config.yaml").open("a", encoding="utf-8") as config:
        config.write("\nstep: 3\n")
    done = run(installed, tmp_path, "derain", "config")
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: config: step: " in done.stderr


@pytest.mark.slow
def test_a_run_takes_the_library_of_its_clone_and_the_command_refuses_another_clone(installed):
    """Also the jobs of a run in the clone that is not installed; `why` asks a run."""
    own, other = (installed / name for name in ("a clone", "other"))
    target = "results/datasets/drizzle/check.csv"
    config = ["--configfile", str(REPOSITORY / "config.yaml")]
    for clone in (own, other):
        done = run(installed, clone, "python", "-m", "snakemake", "--cores", "1", target, *config)
        assert done.returncode == 0, done.stderr
        assert (clone / target).exists()
        why = run(installed, clone, "derain", "why", target, *config)
        assert why.returncode == 0
        assert why.stdout.endswith("every file is up to date\n")
    assert run(installed, own, "derain", "config", *config).returncode == 0
    refused = run(installed, other, "derain", "config")
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    (line,) = (line for line in refused.stderr.splitlines() if line.startswith("error: "))
    assert line.startswith(f"error: {own}/scripts/derain: this derain would be imported instead of {other}/scripts/")
