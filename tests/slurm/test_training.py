"""A training by 2 nodes x 2 processes, in a job that it asks SLURM for: what one process trains, whatever happens.

The process that waits for the job is started as a stage is, and from then on only looked at and killed.
"""

import json
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from prefdelta.scheduler.slurm import submitted
from unit.training.by_hand import load
from unit.training.conftest import _one_thread, base, rows, tokenizer  # noqa: F401
from unit.training.making import UPDATES, train

from .coordinator import RECIPE
from .ranks import UPDATED
from .running import ROOT, Run

NEVER = 1e9  # seconds between two snapshots
SILENCE = 5.0  # seconds without a sign of life of the waiting process, after which those that train end


class Training(Run):
    """The process that asks for a job and waits for it; in one folder another one goes on."""

    def __init__(self, folder, model, pairs, *, partition="gpu", every=NEVER, pause=0.0, **variables):
        self.results = folder / "results"
        launch = {
            "gpus": 2,
            "cpus": 2,
            "mem_mb": 4000,
            "runtime": 30,
            "submitit": {"nodes": 2, "partition": partition, "warning_s": 60},
            "cluster": {"gpu_model": "h100"},
        }
        words = {
            "base": str(model),
            "rows": [asdict(pair) for pair in pairs],
            "record": str(self.results / "record"),
            "launch": launch,
            "every": every,
            "silence": SILENCE,
        }
        super().__init__(
            folder,
            json.dumps(words),
            command=[sys.executable, "-m", "slurm.coordinator"],
            PATH=os.pathsep.join([f"{ROOT}/workflow/bin", str(Path(sys.executable).parent), os.environ["PATH"]]),
            PYTHONPATH=f"{ROOT}/src:{ROOT}/tests",
            PREFDELTA_TAG="prefdelta:test:1",
            PREFDELTA_SUBMITTED=f"{self.results}/slurm/submitted.jsonl",
            PAUSE=str(pause),
            **variables,
        )

    def updates(self):
        """How many the job has made for this process; it tells nothing of a training's last."""
        return self.printed().count(UPDATED)

    def jobs(self):
        """Ids of the jobs that were asked for in this folder."""
        return [job.id for job in submitted(self.results)]

    def policy(self):
        """(folder, what was measured) of what it trains, when it has ended."""
        self.finish(120)
        folder = self.results / "record/policies/k"
        return folder, json.loads((folder / "training.json").read_text())


@pytest.fixture(scope="module")
def alone(base, rows, tmp_path_factory):  # noqa: F811
    """(weights, what was measured) of the same training by one process."""
    folder = tmp_path_factory.mktemp("alone")
    measured = train(base, rows, RECIPE, folder)
    return load(folder).state_dict(), measured


@pytest.fixture
def start(cluster, base, rows, tmp_path):  # noqa: F811
    def started(**more):
        return Training(tmp_path, base, rows, **more)

    return started


def assert_equal(policy, alone):
    folder, told = policy
    weights, measured = alone
    found = load(folder).state_dict()
    assert found.keys() == weights.keys()
    for name in weights:
        assert found[name] == pytest.approx(weights[name], abs=2e-6), name
    assert told["curve"]["loss"] == pytest.approx(measured["curve"]["loss"], abs=5e-5)
    assert measured["curve"]["loss"][-1] < 0.5  # it did learn
    assert told["processes"] == 4


def wait_until_gone(cluster, job, seconds):
    ends = time.monotonic() + seconds
    while job in cluster.jobs():
        assert time.monotonic() < ends, f"job {job} is still there after {seconds} s"
        time.sleep(0.3)


def test_two_nodes_with_two_processes_each_train_what_one_process_does(cluster, start, alone):
    training = start(pause=0.5)
    training.until(training.updates)
    (job,) = training.jobs()
    shown = cluster.ask("scontrol", "show", "job", job)
    for asked in ("NumNodes=2", "NumTasks=4", "gres:gpu:h100:2", "Partition=gpu", "Requeue=1", "TimeLimit=00:30:00"):
        assert asked in shown
    assert "Comment=arm prefdelta:test:1" in shown  # so that this job is found, by its run, and no other
    assert_equal(training.policy(), alone)


def test_preempted_it_goes_on_where_it_was(cluster, start, alone):
    training = start(partition="scavenge", pause=2.0)  # and no snapshot but at the signal
    training.until(lambda: training.updates() >= 2)
    (job,) = training.jobs()
    other = ("--partition=gpu", "--nodes=4", "--gpus-per-node=4", "--output=/dev/null", "--wrap=true")
    preempting = cluster.ask("sbatch", *other).split()[-1]
    training.until(lambda: f"SIGUSR2: SLURM job {job} makes way" in training.printed(), 30)
    made = training.updates()
    wait_until_gone(cluster, preempting, 60)
    # SLURM has it wait as long as a credential is good. A start in the second in which the old credential was revoked
    # would find the new one revoked, too: credentials are told apart by their second.
    time.sleep(2)
    cluster.ask("scontrol", "update", f"JobId={job}", "StartTime=now")
    policy = training.policy()
    assert f"/checkpoint-{made}\n" in training.printed()
    assert training.updates() == UPDATES - 1  # none was made twice
    assert training.jobs() == [job]
    assert_equal(policy, alone)


def test_without_the_process_that_waits_the_job_ends_and_the_next_one_goes_on(cluster, start, alone):
    first = start(pause=1.5)
    first.until(lambda: first.updates() >= 2)
    first.kill(signal.SIGTERM)
    assert first.wait(10) == 128 + signal.SIGTERM, first.printed()
    wait_until_gone(cluster, first.jobs()[-1], 15)

    second = start(pause=1.5, every=0.5)
    second.until(lambda: second.updates() >= 2)
    assert "training goes on from" in second.printed()  # from the snapshot that the signal had taken
    second.kill(signal.SIGKILL)
    wait_until_gone(cluster, second.jobs()[-1], SILENCE + 20)  # and nobody cancelled it

    third = start()
    policy = third.policy()
    assert "training goes on from" in third.printed()
    assert first.updates() + second.updates() + third.updates() <= UPDATES + 1  # of at most two, no snapshot was sealed
    assert len(set(third.jobs())) == 3
    assert_equal(policy, alone)


def test_what_breaks_one_process_is_in_the_log_of_the_one_that_waits(cluster, start):
    training = start(FAILING="2")
    assert training.wait(90) == 2
    printed = training.printed()
    assert "[2] " in printed
    assert "ValueError: this process is broken" in printed
    assert f"error: SLURM job {training.jobs()[0]} ended as FAILED" in printed
    wait_until_gone(cluster, training.jobs()[0], 5)
