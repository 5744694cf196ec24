"""A cluster for the tests that ask for one."""

import pytest
from slurm_cluster import cluster


@pytest.fixture(scope="session")
def slurm_profile(tmp_path_factory):
    """The profile of a real Slurm on this machine, which ends with the tests."""
    folder = tmp_path_factory.mktemp("slurm")
    profile = folder / "profile.yaml"
    profile.write_text("partition: main\ngpus: 0\ncpus: 1\nminutes: 10\n")
    with cluster(folder / "cluster"):
        yield profile


@pytest.fixture
def profile(tmp_path):
    """Write the text of a profile, and return its file."""

    def write(text):
        path = tmp_path / "profile.yaml"
        path.write_text(text)
        return path

    return write
