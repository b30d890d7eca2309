import subprocess
import sys

import pytest
from places import REPOSITORY

FUZZER = REPOSITORY / "benchmarks/faults/fuzz_config.py"


def _fuzz(*arguments):
    ran = subprocess.run([sys.executable, FUZZER, *arguments], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr
    return ran.stdout


@pytest.mark.slow
def test_damaged_configs_are_refused_in_lines_or_planned():
    assert "'accepted': " in _fuzz("--count", "600", "--seed", "1")


@pytest.mark.slow
def test_what_is_accepted_of_damaged_configs_is_planned_by_the_workflow():
    assert "snakemake -n: " in _fuzz("--count", "600", "--seed", "2", "--plan", "30")
