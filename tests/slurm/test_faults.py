"""What clusters do to jobs and runs: each ends, by the same plain command, in the bytes of an undisturbed run.

The chain has four jobs: prompts, generate, grade, judge. The judge's job is the one that something happens to: it waits
for a server of ours, which holds its replies until the fault has struck.
"""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.scripted import ScriptedServer
from faults.checks import faults_in, final_tables
from prefdelta.scheduler.slurm import submitted

from .chain import (
    GRADED,
    IN_FLIGHT,
    ITEMS,
    JUDGED,
    KEY,
    PROFILE,
    RESULTS,
    SAMPLES,
    TARGETS,
    Judge,
    chain,
    make_checkout,
    write_study,
)
from .conftest import Cluster
from .running import SNAKEMAKE, Run, computed, last_job

HELD_AFTER = 10  # replies


class Checkout:
    """A checkout with the chain, the judge that it asks, and what it must come to."""

    def __init__(self, folder: Path, judge: Judge, judge_address: str, expected: dict[str, str]) -> None:
        self.folder, self.judge, self.judge_address, self._expected = folder, judge, judge_address, expected
        self.results = folder / RESULTS

    def run(self, *words: str) -> Run:
        return Run(self.folder, *PROFILE, *words, **KEY)

    def held(self, run: Run) -> str:
        """Wait until the judge's job is in its middle; its id."""
        run.until(lambda: self.judge.asked >= HELD_AFTER + IN_FLIGHT)
        job = self.judging()
        time.sleep(6)  # what was answered is recorded every 5 s
        return job

    def judging(self) -> str:
        """The SLURM id of the judge's last job."""
        return last_job(self.results, "judge")

    def release(self) -> None:
        self.judge.holds_after = None

    def check(self, kills: int = 1) -> None:
        """The tables are those of an undisturbed run, and nothing was asked twice but what was under way."""
        assert faults_in(self.folder, self.results, self._expected) == []
        assert ITEMS * SAMPLES <= self.judge.asked <= ITEMS * SAMPLES + kills * IN_FLIGHT


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The tables of a run that nothing disturbed, on this machine and without SLURM."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with ScriptedServer(Judge()) as server:
        make_checkout(folder, chain(server.base_url))
        local = [*TARGETS, "--profile", "mini", "--configfile", "chain.yaml"]
        Run(folder, *local, command=SNAKEMAKE, **KEY).finish()
    found = final_tables(folder / RESULTS)
    assert {f"{GRADED}.parquet", f"{JUDGED}.parquet"} <= found.keys()
    return found


@pytest.fixture
def checkout(tmp_path: Path, expected: dict[str, str], cluster: Cluster) -> Iterator[Checkout]:
    judge = Judge()
    judge.holds_after = HELD_AFTER
    with ScriptedServer(judge) as server:
        folder = make_checkout(tmp_path, chain(server.base_url))
        yield Checkout(folder, judge, server.base_url, expected)


def processes(*words: str) -> list[int]:
    """Process ids whose command line holds all of `words`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if all(word in command for word in words) and int(path.parent.name) != os.getpid():
            found.append(int(path.parent.name))
    return found


def test_a_job_whose_process_is_killed_is_tried_again(checkout: Checkout) -> None:
    run = checkout.run()
    first = checkout.held(run)
    for stage in processes("-m prefdelta.stages.judge", checkout.judge_address):
        os.kill(stage, signal.SIGKILL)
    checkout.release()
    run.finish()
    assert checkout.judging() != first
    checkout.check()


def test_a_job_that_somebody_cancels_is_tried_again(checkout: Checkout, cluster: Cluster) -> None:
    run = checkout.run()
    first = checkout.held(run)
    cluster.ask("scancel", first)
    checkout.release()
    assert "CANCELLED" in run.finish()
    assert checkout.judging() != first
    checkout.check()


def test_a_job_at_its_time_limit_goes_on_in_a_second_one_with_more_time_and_memory(
    checkout: Checkout, cluster: Cluster
) -> None:
    write_study(checkout.folder, chain(checkout.judge_address, runtime=1))
    run = checkout.run()
    first = checkout.held(run)
    run.until(lambda: "TIMEOUT" in run.printed(), 150)
    checkout.release()
    run.finish()
    second = checkout.judging()
    asked = [cluster.ask("scontrol", "show", "job", job) for job in (first, second)]
    limits = [re.search(r"TimeLimit=(\S+)", text) for text in asked]
    assert [limit and limit[1] for limit in limits] == ["00:01:00", "00:02:00"]
    assert ["mem=500M" in asked[0], "mem=1000M" in asked[1]] == [True, True]
    checkout.check()


def test_a_job_whose_node_dies_is_queued_again_by_slurm(checkout: Checkout, cluster: Cluster) -> None:
    run = checkout.run()
    job = checkout.held(run)
    told = cluster.ask("scontrol", "show", "job", job)
    node = re.search(r" NodeList=n(\d)", told)
    assert node
    # As when a machine loses its power: SLURM's own processes are gone first, so nothing tells how the job ended.
    cluster.do("node-down", node[1])
    for process in [*processes(f"slurmstepd: [{job}."), *processes("--mode remote", str(checkout.folder))]:
        os.kill(process, signal.SIGKILL)
    for process in processes("-m prefdelta.stages.judge", checkout.judge_address):
        os.kill(process, signal.SIGKILL)
    checkout.release()
    try:
        run.finish()
    finally:
        cluster.do("node-up", node[1])
    assert checkout.judging() == job, "Snakemake used up no attempt"
    checkout.check()


def test_a_job_that_makes_way_for_another_goes_on_afterwards(checkout: Checkout, cluster: Cluster) -> None:
    study = chain(checkout.judge_address)
    study["cluster"]["partition"] = "scavenge"
    write_study(checkout.folder, study)
    run = checkout.run()
    checkout.held(run)
    urgent = ["--partition=gpu", "--nodes=4", "--exclusive", "--wrap=sleep 3", "--output=/dev/null"]
    other = cluster.ask("sbatch", "--parsable", *urgent).strip()
    run.until(lambda: "PENDING" not in cluster.ask("squeue", "--states=all", f"--jobs={other}", "--format=%T"))
    checkout.release()
    run.finish()
    checkout.check()


def test_a_controller_that_is_away_for_30_seconds_loses_nothing(checkout: Checkout, cluster: Cluster) -> None:
    run = checkout.run()
    first = checkout.held(run)
    cluster.do("controller-down")
    try:
        checkout.release()
        time.sleep(30)
    finally:
        cluster.do("controller-up")
    run.finish()
    assert checkout.judging() == first, "the job itself goes on"
    checkout.check(kills=0)


def test_refused_submissions_are_tried_again_until_they_are_accepted(checkout: Checkout, cluster: Cluster) -> None:
    checkout.release()
    cluster.ask("scontrol", "update", "PartitionName=cpu", "State=DRAIN")
    try:
        run = checkout.run()
        log = checkout.results / "slurm/sbatch.log"
        run.until(lambda: log.is_file() and "tried again" in log.read_text())
        time.sleep(30)
        assert submitted(checkout.results) == []
    finally:
        cluster.ask("scontrol", "update", "PartitionName=cpu", "State=UP")
    printed = run.finish()
    assert "Trying to restart" not in printed, "no attempt was used up"
    assert len(submitted(checkout.results)) == 4
    checkout.check(kills=0)


def test_sigterm_lets_the_jobs_in_the_queue_finish_and_starts_no_more(checkout: Checkout) -> None:
    checkout.release()
    run = checkout.run()
    run.until(lambda: len(submitted(checkout.results)) == 2)  # prompts and generate; grade and judge stand on these
    run.kill(signal.SIGTERM)
    assert run.wait() != 0
    assert len(submitted(checkout.results)) == 2
    assert (checkout.results / "generate/shipped.parquet").is_file()
    checkout.run().finish()
    assert len(submitted(checkout.results)) == 4
    checkout.check(kills=0)


def test_after_a_kill_of_the_main_process_its_jobs_are_cancelled_and_the_same_command_goes_on(
    checkout: Checkout, cluster: Cluster
) -> None:
    run = checkout.run()
    orphan = checkout.held(run)
    run.kill(signal.SIGKILL)
    run.wait()
    assert orphan in cluster.jobs(), "nobody told SLURM"
    again = checkout.run()
    again.until(lambda: checkout.judging() != orphan)
    assert f"({orphan})" in again.printed()
    assert orphan not in cluster.jobs(), "no two jobs at the same work"
    checkout.release()
    again.finish()
    checkout.check()
    assert computed(checkout.results, JUDGED)["calls"] <= ITEMS * SAMPLES - HELD_AFTER
