"""benchmarks/mutations.py breaks formulas by replacing their text: every text has to be there."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))
from mutations import MUTATIONS, faults_of


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_text_that_a_mutation_replaces_is_there_once(name):
    assert faults_of(name) == []
    assert all(text != other for _, text, other in MUTATIONS[name])
