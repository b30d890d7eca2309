"""One Slurm for all tests of this folder. Where it cannot start they fail."""

import pytest
from cluster import Cluster


@pytest.fixture(scope="session")
def _services(tmp_path_factory):
    slurm = Cluster(tmp_path_factory.mktemp("slurm") / "cluster")
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


@pytest.fixture
def cluster(_services, monkeypatch):
    """The cluster, known to what is started meanwhile."""
    for name, value in _services.environment.items():
        monkeypatch.setenv(name, value)
    return _services
