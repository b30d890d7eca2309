"""A Slurm with accounting for all tests of this folder, and one without. Where one cannot start the tests fail."""

from contextlib import contextmanager

import pytest
from cluster import Cluster


@contextmanager
def _running(folder, accounting):
    slurm = Cluster(folder, accounting)
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


@pytest.fixture(scope="session")
def _services(tmp_path_factory):
    with _running(tmp_path_factory.mktemp("slurm") / "cluster", accounting=True) as slurm:
        yield slurm


@pytest.fixture(scope="session")
def _services_without_accounting(tmp_path_factory):
    with _running(tmp_path_factory.mktemp("slurm") / "cluster", accounting=False) as slurm:
        yield slurm


@pytest.fixture
def cluster(_services, monkeypatch):
    """The cluster with accounting, known to what is started meanwhile."""
    return _known(_services, monkeypatch)


@pytest.fixture
def cluster_without_accounting(_services_without_accounting, monkeypatch):
    """The other one, also known to what is started meanwhile."""
    return _known(_services_without_accounting, monkeypatch)


def _known(slurm, monkeypatch):
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    return slurm
