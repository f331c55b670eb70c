"""`prefdelta stop` and `prefdelta status` while a run has jobs in a real SLURM's queue."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.scripted import ScriptedServer

from .chain import IN_FLIGHT, JUDGED, KEY, PROFILE, RESULTS, Judge, chain, make_checkout
from .conftest import Cluster
from .running import Run, environment, last_job

HELD_AFTER = 4  # replies


@pytest.fixture
def judge() -> Judge:
    found = Judge()
    found.holds_after = HELD_AFTER
    return found


@pytest.fixture
def folder(tmp_path: Path, judge: Judge, cluster: Cluster) -> Iterator[Path]:
    with ScriptedServer(judge) as server:
        yield make_checkout(tmp_path, chain(server.base_url))


def prefdelta(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "prefdelta.commands.main", *words, "--configfile", "chain.yaml"],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def somebody_elses(cluster: Cluster, folder: Path) -> str:
    """A job of the same user that is none of ours, in the same folder."""
    return cluster.ask("sbatch", "--parsable", f"--chdir={folder}", "--wrap=sleep 300", "--output=/dev/null").strip()


def test_stop_ends_a_run_with_its_jobs_and_nobody_elses(folder: Path, judge: Judge, cluster: Cluster) -> None:
    other = somebody_elses(cluster, folder)
    run = Run(folder, *PROFILE, **KEY)
    run.until(lambda: judge.asked >= HELD_AFTER + IN_FLIGHT)
    ours = last_job(folder / RESULTS, "judge")

    told = prefdelta(folder, "status", "--json")
    (judging,) = [job for job in json.loads(told)["jobs"] if job["name"] == JUDGED]
    assert (judging["state"], judging["slurm"]["id"]) == ("running", ours)

    assert f"job {ours}, running" in prefdelta(folder, "stop", "--dry-run")
    assert ours in cluster.jobs()
    told = prefdelta(folder, "stop")
    assert f"job {ours}, running" in told
    assert "To go on:" in told
    assert run.wait(10) != 0
    assert cluster.jobs() == [other]
    assert "no run goes on here" in prefdelta(folder, "stop")


def test_stop_finds_the_jobs_of_a_run_that_was_killed(folder: Path, judge: Judge, cluster: Cluster) -> None:
    other = somebody_elses(cluster, folder)
    run = Run(folder, *PROFILE, **KEY)
    run.until(lambda: judge.asked >= HELD_AFTER + IN_FLIGHT)
    run.kill(signal.SIGKILL)
    run.wait()
    orphan = last_job(folder / RESULTS, "judge")
    assert f"job {orphan}, running" in prefdelta(folder, "stop")
    assert cluster.jobs() == [other]
    judge.holds_after = None
    Run(folder, *PROFILE, **KEY).finish()
    assert (folder / RESULTS / f"{JUDGED}.parquet").is_file()
