"""A real SLURM of four nodes on this machine (cluster.sh): `make test-slurm`. Elsewhere nothing here is collected.

A missing SLURM is a failure where these tests are asked for, never a skip.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .running import Run

CLUSTER = Path(__file__).with_name("cluster.sh")
ASKED = "PREFDELTA_TEST_SLURM"  # in the environment: set by make test-slurm

if ASKED not in os.environ:
    collect_ignore_glob = ["test_*.py"]


class Cluster:
    """The sandbox cluster, and what may happen to it."""

    def do(self, *words: str) -> str:
        done = subprocess.run(
            [str(CLUSTER), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    @staticmethod
    def ask(*words: str) -> str:
        """What a command of SLURM prints."""
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    def jobs(self) -> list[str]:
        """Ids of the jobs that wait or run, whoever asked for them."""
        return self.ask("squeue", "--noheader", "--format=%i").split()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One of our own; or one that is up already, if PREFDELTA_SLURM says where."""
    found = Cluster()
    is_up = "PREFDELTA_SLURM" in os.environ
    folder = os.environ.setdefault("PREFDELTA_SLURM", str(tmp_path_factory.mktemp("slurm")))
    os.environ["SLURM_CONF"] = f"{folder}/etc/slurm.conf"
    if is_up:
        yield found
        return
    try:
        found.do("up")
        yield found
    finally:
        found.do("down")


@pytest.fixture(autouse=True)
def _nothing_is_left(cluster: Cluster) -> Iterator[None]:
    """What a failed test left is ended, so that the next begins with an empty queue."""
    yield
    Run.end_all()
    if left := cluster.jobs():
        cluster.ask("scancel", *left)
