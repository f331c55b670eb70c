"""`prefdelta doctor` on a cluster: SLURM healthy, and in each of the ways in which it is not."""

import sys
from pathlib import Path

import pytest
import yaml

from prefdelta.commands.checks.slurm_state import minutes
from prefdelta.commands.doctor import CHECKS

from .examining import only
from .fake_slurm import DOWN, WITH_ACCOUNTS

SLURM = [name for name in CHECKS if name.startswith("slurm")]
CLUSTER = {"partition": "cpu", "gpu_partition": "gpu", "gpu_model": "h100"}
SUBMITIT = {"train": {"gpus": 4, "submitit": {"partition": "scavenge", "nodes": 2}}}
SIZED = {"hub": "owner/tiny", "size": "3b"}


@pytest.fixture
def on_slurm(doctor):
    def examine(cluster=CLUSTER, compute=SUBMITIT, profile=None, **changes):
        path = Path("profiles/slurm/config.yaml")
        options = yaml.safe_load(path.read_text()) | (profile or {})
        path.write_text(yaml.safe_dump({name: value for name, value in options.items() if value is not None}))
        found = doctor("--profile", "slurm", cluster=cluster, compute=compute, **changes)
        return {name: found[name] for name in SLURM if name in found}

    return examine


def test_a_healthy_cluster(on_slurm, slurm):
    assert on_slurm() == {
        "slurm": [("ok", "SLURM 22.05.8, cluster sandbox: 4 of 4 nodes usable")],
        "slurm profile": [("ok", "profiles/slurm/config.yaml: status by squeue, requeued, no tasks, no arrays")],
        "slurm settings": [("ok", "KillWait 5 s, MinJobAge 300 s")],
        "slurm partitions": [("ok", "scavenge (4 nodes)")],
        "slurm jobs": [("ok", "1 kinds of jobs fit")],
        "slurm accounts": [
            ("ok", "SLURM keeps no accounts: cluster.account and cluster.qos are not looked at by it"),
        ],
        "slurm preemption": [("ok", "partition scavenge: preempted jobs get a signal and 20 s, PreemptMode=REQUEUE")],
    }


def test_a_slurm_that_cannot_be_reached_is_one_line(on_slurm, slurm):
    (slurm.folder / "ping.txt").write_text(DOWN)
    assert list(on_slurm()) == ["slurm"]
    ((state, told),) = on_slurm()["slurm"]
    assert state == "fail"
    assert f"SLURM does not answer: {DOWN} -> Try again later" in told
    slurm.program("scontrol", "echo 'slurm_load_ctl_conf error: Unable to contact slurm controller' >&2; exit 1")
    assert "Unable to contact slurm controller" in on_slurm()["slurm"][0][1]


def test_a_machine_without_slurm_is_no_place_to_start_from(on_slurm, slurm, monkeypatch):
    (slurm.folder / "sbatch").unlink()
    monkeypatch.setenv(
        "PATH", f"{slurm.folder}:{Path(sys.executable).parent}"
    )  # not /usr/bin: it may have the real one
    ((state, told),) = on_slurm()["slurm"]
    assert (state, told) == ("fail", "this machine has no sbatch -> Run this, and snakemake, on a login node.")


PROFILE_TRAPS = {
    "status by sacct, no accounting": (
        {"slurm-status-command": "sacct"}, {}, "fail", "it never sees a job fail -> slurm-status-command: squeue",
    ),
    "status by default, accounting": (
        {"slurm-status-command": None}, WITH_ACCOUNTS, "warn", "sees a job cancelled -> slurm-status-command: squeue",
    ),
    "jobs forgotten too soon": (
        {}, WITH_ACCOUNTS | {"= 300 sec": "= 60 sec"}, "warn", "after 60 s (MinJobAge), less than three looks",
    ),
    "jobs forgotten too soon, no accounting": (
        {}, {"= 300 sec": "= 60 sec"}, "fail", "which never sees a job cancelled; with accounting off",
    ),
    "jobs forgotten between two looks": (
        {}, WITH_ACCOUNTS | {"= 300 sec": "= 200 sec"}, "fail", "the run would wait forever",
    ),
    "asked too often": (
        {"slurm-init-seconds-before-status-checks": 5}, {}, "warn", "slurm-init-seconds-before-status-checks: 40",
    ),
    "tasks": ({"default-resources": ["tasks=1"]}, {}, "fail", "multiplies a job's CPUs by its GPUs -> Take it out."),
    "tasks, as a mapping": ({"default-resources": {"tasks": 1}}, {}, "fail", "--ntasks-per-gpu"),
    "no requeue": ({"slurm-requeue": None}, {}, "warn", "-> slurm-requeue: true"),
    "arrays": ({"slurm-array-jobs": "all"}, {}, "warn", "slurm-array-jobs"),
}  # fmt: skip


@pytest.mark.parametrize("trap", PROFILE_TRAPS)
def test_traps_of_the_profile(trap, on_slurm, slurm):
    profile, config, state, told = PROFILE_TRAPS[trap]
    slurm.edit("config", config)
    ((found, line),) = on_slurm(profile=profile)["slurm profile"]
    assert found == state
    assert told in line


SETTINGS_TRAPS = {
    "no time to flush": ("slurm settings", "config", {"KillWait                = 5": "KillWait = 2"}, "KillWait=5 or"),
    "no signal": (
        "slurm preemption", "config", {"= preempt_send_user_signal": "= (null)"}, "without the signal that they ask",
    ),
    "no grace": ("slurm preemption", "partitions", {"GraceTime=20": "GraceTime=0"}, "GraceTime is 0 s"),
    "cancelled": (
        "slurm preemption", "partitions", {"PreemptMode=REQUEUE": "PreemptMode=CANCEL"}, "PreemptMode=REQUEUE in",
    ),
}  # fmt: skip


@pytest.mark.parametrize("trap", SETTINGS_TRAPS)
def test_traps_of_the_cluster(trap, on_slurm, slurm):
    check, file, changes, told = SETTINGS_TRAPS[trap]
    slurm.edit(file, changes)
    ((state, line),) = on_slurm()[check]
    assert state == "warn"
    assert told in line


def test_jobs_ask_to_be_queued_again_whatever_the_cluster_does_by_default(on_slurm, slurm):
    slurm.edit("config", {"JobRequeue              = 1": "JobRequeue = 0"})
    state, line = only(on_slurm(), "slurm settings")
    assert state == "ok"
    assert "JobRequeue=0 does not matter" in line


def test_without_preemption_there_is_nothing_to_warn_of(on_slurm, slurm):
    slurm.edit("config", {"= preempt_send_user_signal": "= (null)"})
    train = {"train": {"gpus": 1, "submitit": {"partition": "gpu"}}}
    assert on_slurm(compute=train)["slurm preemption"] == [("ok", "partition gpu: its jobs are not preempted")]


def asks(**wanted):
    return {"train": {"gpus": 1, **wanted}}


PARTITION_TRAPS = {
    "unknown": (CLUSTER | {"gpu_partition": "gpus"}, {}, "fail", "there is no partition gpus. There are: cpu, gpu"),
    "no default": ({}, {"Default=YES": "Default=NO"}, "fail", "Fill in cluster.partition"),
    "down": (CLUSTER, {"State=UP": "State=DOWN"}, "warn", "partition gpu is DOWN"),
    "closed to the account": (
        CLUSTER | {"account": "b"}, {"AllowAccounts=ALL": "AllowAccounts=a"}, "fail", "one of a in cluster.account",
    ),
    "closed to the qos": (
        CLUSTER | {"qos": "high"}, {"AllowQos=ALL": "AllowQos=normal"}, "fail", "-> Name one of normal in cluster.qos",
    ),
}  # fmt: skip


@pytest.mark.parametrize("trap", PARTITION_TRAPS)
def test_partitions_that_cannot_be_used_are_told(trap, on_slurm, slurm):
    cluster, changes, state, told = PARTITION_TRAPS[trap]
    slurm.edit("partitions", changes)
    found, line = only(on_slurm(cluster=cluster, compute=asks()), "slurm partitions")
    assert found == state
    assert told in line


JOB_TRAPS = {
    "no GPUs": (CLUSTER, asks(), {"gpu:h100:4": "(null)"}, "GresTypes=gpu in slurm.conf"),
    "other GPUs": (CLUSTER | {"gpu_model": "a100"}, asks(), {}, "no GPUs called a100. There are: h100"),
    "too many GPUs": (CLUSTER, asks(gpus=8), {}, "compute.train asks for 8 GPUs, 2.0 GB and 1 CPU; 0 of 4 nodes"),
    "too much memory": (CLUSTER, asks(mem_mb=70000), {}, "(at most: 4 GPUs, 65.5 GB, 8 CPUs)"),
    "too many CPUs": (CLUSTER, asks(threads=9), {}, "Lower compute.train"),
    "too many nodes": (
        CLUSTER, asks(submitit={"nodes": 5}), {}, "asks for 5 nodes with 1 GPU, 2.0 GB and 1 CPU; 4 of 4 nodes",
    ),
    "too long": (CLUSTER, asks(runtime=2000), {}, "runtime is 2000 minutes; partition gpu allows 1440"),
    "of a size": (CLUSTER, {"generate": {"sizes": {"3b": {"gpus": 5}}}}, {}, "compute.generate.sizes.3b asks for 5"),
    "unknown features": (
        CLUSTER | {"constraint": "ib"}, asks(), {"|8|(null)|": "|8|rome,nvme|"}, "features ib. There are: nvme, rome",
    ),
}  # fmt: skip


@pytest.mark.parametrize("trap", JOB_TRAPS)
def test_what_no_node_can_give_is_told(trap, on_slurm, slurm):
    cluster, compute, changes, told = JOB_TRAPS[trap]
    slurm.edit("nodes", changes)
    models = {"models": {"pa": SIZED, "g3": SIZED}} if trap == "of a size" else {}
    state, line = on_slurm(cluster=cluster, compute=compute, **models)["slurm jobs"][0]
    assert state == "fail"
    assert told in line


def test_nodes_that_fit_and_are_down_are_told(on_slurm, slurm):
    slurm.edit("nodes", {"|idle": "|down*"})
    state, line = on_slurm(compute=asks())["slurm jobs"][0]
    assert state == "warn"
    assert "the 4 nodes of partition gpu that have 1 GPU, 2.0 GB and 1 CPU are down -> Its jobs wait" in line


@pytest.mark.parametrize("wanted", [{"runtime": 720}, {"mem_mb": 30000}])
def test_attempts_that_ask_for_more_than_there_is_are_told(wanted, on_slurm, slurm):
    warned, fitting = on_slurm(compute=asks(**wanted))["slurm jobs"]
    assert warned[0] == "warn"
    assert "attempt 3 of compute.train asks for 3 times the memory and time" in warned[1]
    assert fitting == ("ok", "1 kinds of jobs fit")


def test_gpus_without_a_model_and_with_sockets_are_counted(on_slurm, slurm):
    slurm.edit("nodes", {"gpu:h100:4": "gpu:2(S:0-1),gpu:h100:2(S:0),nvme:1"})
    cluster = {"partition": "cpu", "gpu_partition": "gpu"}
    assert on_slurm(cluster=cluster, compute=asks(gpus=4))["slurm jobs"] == [("ok", "1 kinds of jobs fit")]
    assert on_slurm(compute=asks(gpus=4))["slurm jobs"][0][0] == "fail"  # two of them are h100


ACCOUNTS = "a|normal,high|50|\nb|normal||2000\n"


@pytest.mark.parametrize(
    ("cluster", "listed", "state", "told"),
    [
        ({"account": "b"}, ACCOUNTS, "ok", "may use a, b"),
        ({"account": "c"}, ACCOUNTS, "fail", "may not use account c -> Name one of a, b in cluster.account."),
        ({"account": "b", "qos": "high"}, ACCOUNTS, "fail", "may not use qos high -> Name one of normal"),
        ({"account": "a"}, ACCOUNTS, "warn", "up to 100 jobs into the queue, 50 is the limit of account a"),
        ({}, "", "fail", "has no account here, and SLURM wants one"),
    ],
)
def test_accounts_and_limits_are_looked_up(cluster, listed, state, told, on_slurm, slurm):
    slurm.edit(
        "config", WITH_ACCOUNTS | {"AccountingStorageEnforce = none": "AccountingStorageEnforce = associations,limits"}
    )
    (slurm.folder / "accounts.txt").write_text(listed)
    ((found, line),) = on_slurm(cluster=CLUSTER | cluster)["slurm accounts"]
    assert found == state
    assert told in line


def test_a_queue_of_the_whole_cluster_that_is_too_short_is_told(on_slurm, slurm):
    slurm.edit("config", {"MaxJobCount             = 10000": "MaxJobCount = 20"})
    ((state, line),) = on_slurm()["slurm accounts"]
    assert state == "warn"
    assert "jobs: 20 or fewer, in profiles/slurm/config.yaml" in line


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("1-00:00:00", 1440), ("2-12", 3600), ("12:30:00", 750), ("30:00", 30), ("90", 90), ("UNLIMITED", None),
        ("INFINITE", None),
    ],
)  # fmt: skip
def test_times_as_slurm_writes_them(told, found):
    assert minutes(told) == found
