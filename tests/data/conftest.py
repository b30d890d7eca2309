"""A dataset folder, and a look at it as the workflow takes it."""

from types import SimpleNamespace

import pytest
from derain.data.findings import read_findings
from derain.data.samples import read_manifest
from derain.errors import UserError
from derain.plan.sources import sources_of
from trees import experiment, write_pairs


@pytest.fixture
def look(tmp_path):
    """look(datasets, trained, **experiment keys) → .errors (lines), .manifest and .findings by dataset."""

    def check(datasets, trained=("d",), **extra):
        folder = tmp_path / "results"
        errors, asked = [], experiment(datasets, trained, **extra)
        try:
            sources_of(asked, folder).check(keep=lambda write: write())
        except UserError as error:
            errors = str(error).splitlines()
        manifests = {name: folder / name / "manifest.csv" for name in datasets}
        return SimpleNamespace(
            errors=errors,
            manifest={name: read_manifest(path) for name, path in manifests.items() if path.exists()},
            findings={name: read_findings(folder / name / "findings.csv") for name in datasets},
        )

    return check


@pytest.fixture
def root(tmp_path):
    """Where a dataset is written."""
    return tmp_path / "data"


@pytest.fixture
def tree(root):
    """Sound pairs: six to train on, two to test on."""
    write_pairs(root / "train", range(1, 7))
    write_pairs(root / "test", range(11, 13))
    return root


@pytest.fixture
def check(tree, look):
    """check(**section keys) → what the workflow finds in the tree."""
    return lambda **section: look({"d": {"layout": "rain-norain", "root": str(tree)} | section})
