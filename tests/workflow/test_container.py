"""`container:` with --sdm apptainer.

The program `apptainer` here is not Apptainer: it writes down its arguments and runs the command on this machine. Where
this user may mount, it does so with the mounts that it was asked for and without the library of the clone.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import planned, snakemake
from places import REPOSITORY
from tiny_experiment import EXPERIMENT

pytestmark = pytest.mark.slow

RAINY = "results/datasets/mild/rainy.csv"
PRETENDED = r"""#!{python}
import json, os, subprocess, sys

_, *words = sys.argv
with open("{calls}", "a") as file:
    file.write(json.dumps(words) + "\n")
if words == ["--version"]:
    print("apptainer version 1.4.0")
    sys.exit()
at = words.index("{image}")
command, binds = words[at + 1:], [words[n + 1] for n, word in enumerate(words[:at]) if word == "--bind"]
if {mounts}:
    script = ["mount -t tmpfs none /mnt"]
    for bind in binds:
        source, _, target = bind.partition(":")
        script += target and [f"mkdir -p '{{target}}' && mount --bind '{{source}}' '{{target}}'"]
    script += ["mount -t tmpfs none '{library}'", 'exec "$@"']
    command = ["unshare", "--mount", "sh", "-c", " && ".join(script), "sh", *command]
os.execvp(command[0], command)
"""
MAY_MOUNT = subprocess.run(
    ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True, check=False
)


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """calls(mounts) → the file of the calls of a pretended apptainer, which is on the path from now on."""

    def install(mounts):
        (tmp_path / "bin").mkdir()
        (tmp_path / "image.sif").touch()
        names = {"python": sys.executable, "calls": tmp_path / "calls", "image": tmp_path / "image.sif"}
        program = tmp_path / "bin/apptainer"
        program.write_text(PRETENDED.format(**names, mounts=mounts, library=REPOSITORY / "scripts"), encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}")
        return tmp_path / "calls"

    return install


@pytest.mark.parametrize("mounts", [False, pytest.param(True, marks=pytest.mark.skipif(
    MAY_MOUNT.returncode != 0, reason="this user or container may not mount"))])  # fmt: skip
def test_scripts_run_in_the_image_with_the_library_of_the_clone(mounts, calls, tmp_path):
    calls, image = calls(mounts), str(tmp_path / "image.sif")
    assert snakemake(tmp_path / "local", EXPERIMENT, RAINY).returncode == 0
    asked = ["--sdm", "apptainer", "--apptainer-args=--nv"]
    run = snakemake(tmp_path / "run", EXPERIMENT | {"container": image}, RAINY, *asked)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / "run" / RAINY).read_bytes() == (tmp_path / "local" / RAINY).read_bytes()
    version, *jobs = map(json.loads, calls.read_text(encoding="utf-8").splitlines())
    assert version == ["--version"] and len(jobs) == 2  # pack, score_rainy
    for words in jobs:
        at = words.index(image)
        assert words[:3] == ["exec", "--home", str(tmp_path / "run")] and "--nv" in words[:at]
        assert any(word.startswith(f"{REPOSITORY}/scripts:/mnt/snakemake_searchpaths/") for word in words[:at])
        option, command = words[at + 2 :]
        assert option == "-c" and "python " in command


def test_the_image_reruns_nothing_until_jobs_run_in_it(calls, tmp_path):
    calls(mounts=False)
    folder, inside = tmp_path / "run", EXPERIMENT | {"container": str(tmp_path / "image.sif")}
    assert snakemake(folder, EXPERIMENT, RAINY).returncode == 0
    assert planned(snakemake(folder, inside, RAINY, "-n")) == []
    both = ["pack datasets/mild/test/pairs.csv", "score_rainy datasets/mild/rainy.csv"]
    assert planned(snakemake(folder, inside, RAINY, "-n", "--sdm", "apptainer")) == both
    triggers = ["--rerun-triggers", "mtime", "input", "params"]  # without software-env
    assert planned(snakemake(folder, inside, RAINY, "-n", "--sdm", "apptainer", *triggers)) == []


def test_without_an_image_the_run_ends_in_one_line(calls, tmp_path):
    calls(mounts=False)
    for config, line in (
        (
            EXPERIMENT,
            "error: config: container: is missing; --sdm apptainer needs an image (docs/how-to/containers.md)",
        ),
        (EXPERIMENT | {"container": "no.sif"}, "error: config: container: there is no file 'no.sif'"),
    ):
        run = snakemake(tmp_path / "run", config, RAINY, "--sdm", "apptainer")
        assert run.returncode != 0
        assert run.stderr.splitlines()[-1] == line
