"""What a training's job asks SLURM for, and what its processes make of what SLURM tells them."""

import sys
from types import SimpleNamespace

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.launch import Launch
from prefdelta.training.processes import preemption, submitit_job
from prefdelta.training.processes.mailbox import Mailbox
from prefdelta.training.processes.submitit_job import RankMain, SlurmProcesses, parameters, rendezvous

# As two nodes of the sandbox cluster told it to the third of four processes.
TOLD = {
    "SLURM_JOB_ID": "6",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "1",
    "SLURM_NTASKS": "4",
    "SLURM_JOB_NUM_NODES": "2",
    "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.7",
    "SLURM_CPUS_PER_TASK": "8",
}


def launch(**more):
    return Launch.model_validate({"gpus": 8, "cpus": 64, "mem_mb": 512_000, "runtime": 720, "submitit": {}} | more)


def test_a_job_asks_for_a_process_per_gpu_with_its_share_of_the_cpus():
    asked = parameters(launch(submitit={"nodes": 2, "warning_s": 300}, cluster={"gpu_model": "h100", "account": "me"}))
    assert (asked["nodes"], asked["ntasks_per_node"], asked["gpus_per_node"]) == (2, 8, "h100:8")
    assert (asked["cpus_per_task"], asked["mem"], asked["time"]) == (8, "512000M", 720)
    assert (asked["account"], asked["signal_delay_s"], asked["additional_parameters"]) == ("me", 300, {"requeue": True})
    assert "--cpus-per-task=8" in asked["srun_args"]  # srun does not take it from sbatch


def test_without_gpus_it_asks_for_one_process_a_node_and_for_no_gpu():
    asked = parameters(launch(gpus=0))
    assert (asked["ntasks_per_node"], asked["gpus_per_node"], asked["cpus_per_task"]) == (1, None, 64)


def test_submitit_knows_every_parameter(tmp_path):
    from submitit.slurm.slurm import _make_sbatch_string

    script = _make_sbatch_string(command="x", folder=tmp_path, **parameters(launch(cluster={"qos": "high"})))
    for line in ("--gpus-per-node=8", "--requeue", "--signal=USR2@120", "--qos=high", "--time=720", "--mem=512000M"):
        assert f"#SBATCH {line}\n" in script
    assert "wckey" not in script


@pytest.mark.parametrize(
    ("more", "partition"),
    [
        (
            {"submitit": {"partition": "preemptible"}, "cluster": {"partition": "p", "gpu_partition": "g"}},
            "preemptible",
        ),
        ({"cluster": {"partition": "p", "gpu_partition": "g"}}, "g"),
        ({"cluster": {"partition": "p"}}, "p"),
        ({"gpus": 0, "cluster": {"partition": "p", "gpu_partition": "g"}}, "p"),
        ({}, None),
    ],
)
def test_the_partition_is_submitits_own_or_else_the_sites(more, partition):
    assert parameters(launch(**more))["partition"] == partition


def test_a_process_learns_from_slurm_which_it_is_and_where_the_first_one_is():
    found = rendezvous(TOLD)
    assert found.pop("MASTER_PORT").isdigit()
    assert found == {
        "RANK": "2",
        "WORLD_SIZE": "4",
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "10.0.0.7",
        "OMP_NUM_THREADS": "8",
    }


def test_all_processes_of_a_start_meet_at_one_port_and_those_of_another_start_at_another():
    ports = [
        rendezvous(TOLD | more)["MASTER_PORT"]
        for more in ({"SLURM_RESTART_COUNT": "0"}, {"SLURM_PROCID": "3"}, {"SLURM_RESTART_COUNT": "1"})
    ]
    assert ports[0] == ports[1] != ports[2]


def test_what_processes_write_is_told_line_by_line_and_once(tmp_path, capsys):
    log = submitit_job._Log(tmp_path / "log", "[1] ")
    log.follow()  # before it is there
    with (tmp_path / "log").open("a") as file:
        for text, copied in (("one\ntw", "[1] one\n"), ("", ""), ("o\nthree\n", "[1] two\n[1] three\n")):
            file.write(text)
            file.flush()
            log.follow()
            assert capsys.readouterr().err == copied


# --- what breaks ---


@pytest.fixture
def mailbox(tmp_path):
    (tmp_path / "mailbox").mkdir()
    return Mailbox(tmp_path / "mailbox")


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


class Queue:
    """SLURM's answers: one state at a time."""

    def __init__(self):
        self.state, self.asked = "RUNNING", 0

    def __call__(self, job):
        self.asked += 1
        return self.state


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(submitit_job, "time", clock := Clock())
    return clock


@pytest.fixture
def queue(monkeypatch):
    monkeypatch.setattr(submitit_job.slurm, "state", queue := Queue())
    return queue


@pytest.fixture
def waiting(mailbox, clock, queue, monkeypatch):
    """The process that waits for a job which runs."""
    paths = SimpleNamespace(stderr=mailbox.folder / "log", folder=mailbox.folder)
    job = SimpleNamespace(job_id="7", task=lambda rank: SimpleNamespace(paths=paths))
    monkeypatch.setattr(submitit_job, "_submit", lambda *_: job)
    found = SlurmProcesses("worker", mailbox, launch(submitit={"nodes": 2}), "arm")
    yield found
    found._over.set()
    found._until_over.close()


def test_an_exception_of_a_process_is_told_to_the_one_that_waits(mailbox, tmp_path, monkeypatch):
    (tmp_path / "breaking.py").write_text("def load():\n    raise ValueError('no such layer')\n\nload()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(preemption, "listen", lambda: None)
    monkeypatch.setattr(submitit_job.os, "environ", dict(TOLD))
    monkeypatch.setattr(sys, "argv", sys.argv)
    with pytest.raises(ValueError, match="no such layer"):
        RankMain("breaking", mailbox.folder)()
    at = f"{tmp_path / 'breaking.py'}, line 2, in load"
    assert mailbox.broken() == f"process 2: ValueError: no such layer, in {at}"


def test_slurm_is_asked_seldom_until_a_process_breaks_and_then_soon(mailbox, clock, queue, waiting):
    clock.now = submitit_job.LOOK_SECONDS - 1
    assert waiting.running()
    assert queue.asked == 0
    mailbox.put_break("process 2: ValueError: no such layer")
    assert waiting.running()
    assert queue.asked == 1  # it runs, for SLURM has not ended the others yet
    queue.state = "FAILED"
    clock.now += submitit_job.BROKEN_SECONDS
    assert waiting.running()
    clock.now += submitit_job.FILES_SECONDS
    assert not waiting.running()
    with pytest.raises(StudyError, match=r"ended as FAILED .* \(process 2: ValueError: no such layer\)"):
        waiting.check()


def test_a_job_that_slurm_queues_again_is_waited_for_whatever_broke(mailbox, clock, queue, waiting):
    mailbox.put_break("process 2: RuntimeError: connection closed by peer")
    queue.state = "PENDING"
    clock.now = submitit_job.BROKEN_SECONDS
    assert waiting.running()
    assert mailbox.broken() == ""
    clock.now += submitit_job.LOOK_SECONDS - 1
    assert waiting.running()
    assert queue.asked == 1
