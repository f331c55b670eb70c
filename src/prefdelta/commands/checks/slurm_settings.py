"""SLURM: whether it answers, how the profile speaks to it, and settings of the cluster that jobs stumble over."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefdelta.commands.checks.check_result import CheckResult, fail, ok, warn
from prefdelta.commands.checks.slurm_state import Partition, Slurm
from prefdelta.commands.checks.subject import Subject
from prefdelta.core.errors import StudyError

COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo")
SBATCH = Path("workflow/bin/sbatch")  # ours, which comes before SLURM's
LONGEST_S = 180  # between two looks of the executor at the queue; the pauses grow to this
LOOKS_S = 40  # between two looks at the queue, at least; a look is two calls, and sites allow about one in 20 s
FLUSH_S = 5  # a stage saves its work in 3 to 5 s
_ADMINISTRATORS = "Ask the cluster's administrators for"


def reachable(subject: Subject) -> Iterator[CheckResult]:
    """Whether SLURM answers. Without an answer, the other checks of SLURM say nothing."""
    if not subject.on_slurm:
        yield ok(f"not needed by this study: --profile {subject.profile} runs its jobs on this machine")
        return
    if absent := [command for command in COMMANDS if shutil.which(command) is None]:
        yield fail(f"this machine has no {', '.join(absent)}", "Run this, and snakemake, on a login node.")
        return
    try:
        slurm = subject.ask_slurm()
    except StudyError as error:
        yield fail(
            f"SLURM does not answer: {error}", "Try again later; `scontrol ping` and `sinfo` say whether it is up."
        )
        return
    name, version = slurm.settings.get("ClusterName", "?"), slurm.settings.get("SLURM_VERSION", "?")
    nodes = {node.name for node in slurm.nodes}
    usable = {node.name for node in slurm.nodes if node.is_usable}
    yield ok(f"SLURM {version}, cluster {name}: {len(usable)} of {len(nodes)} nodes usable")
    if not os.access(SBATCH, os.X_OK):
        yield fail(
            f"{SBATCH} cannot be executed: jobs would carry no mark, so those of a killed run would not be found",
            f"chmod +x {SBATCH}; not on a file system that is mounted noexec.",
        )


def profile(subject: Subject) -> Iterator[CheckResult]:
    """Whether the profile avoids the traps of Snakemake's executor for SLURM."""
    slurm = subject.slurm
    if slurm is None:
        return
    name, options = f"profiles/{subject.profile}/config.yaml", subject.options
    results = [*_status(name, options, slurm)]
    if "tasks" in _resources(options.get("default-resources")):
        results.append(
            fail(
                f"{name}: default-resources has tasks, which becomes --ntasks-per-gpu and multiplies a job's CPUs by "
                "its GPUs",
                "Take it out.",
            )
        )
    if not options.get("slurm-requeue"):
        results.append(
            warn(f"{name}: without slurm-requeue a job whose node dies fails at once", "slurm-requeue: true")
        )
    if options.get("slurm-array-jobs"):
        results.append(
            warn(f"{name}: slurm-array-jobs: a task that fails takes finished outputs of others along", "Take it out.")
        )
    yield from results or [ok(f"{name}: status by squeue, requeued, no tasks, no arrays")]


def _status(name: str, options: dict[str, Any], slurm: Slurm) -> Iterator[CheckResult]:
    looks_s = int(options.get("slurm-init-seconds-before-status-checks", LOOKS_S))
    off = "" if slurm.keeps_accounts else "; with accounting off, as here, it never sees a job fail"
    if options.get("slurm-status-command") != "squeue":
        message = f"{name}: the executor asks sacct, which never sees a job cancelled{off}"
        to_do = "slurm-status-command: squeue"
        yield warn(message, to_do) if slurm.keeps_accounts else fail(message, to_do)
    elif (age := slurm.seconds("MinJobAge")) < 3 * looks_s:
        message = (
            f"SLURM forgets an ended job after {age} s (MinJobAge), less than three looks at the queue ({looks_s} s "
            f"each): the executor silently takes sacct, which never sees a job cancelled{off}"
        )
        to_do = (
            f"{_ADMINISTRATORS} MinJobAge={3 * looks_s}, or lower slurm-init-seconds-before-status-checks in {name}."
        )
        yield warn(message, to_do) if slurm.keeps_accounts else fail(message, to_do)
    elif age < LONGEST_S + looks_s:
        yield fail(
            f"SLURM forgets an ended job after {age} s (MinJobAge), and {LONGEST_S} s may pass between two looks at "
            "the queue: the run would wait forever for a job that ended between them",
            f"{_ADMINISTRATORS} MinJobAge={LONGEST_S + looks_s} or more.",
        )
    if looks_s < LOOKS_S:
        yield warn(
            f"{name}: SLURM is asked every {looks_s} s, twice; sites allow about one call in 20 s",
            f"slurm-init-seconds-before-status-checks: {LOOKS_S}",
        )


def _resources(resources: Any) -> set[str]:
    """Names in default-resources, which is a list of name=value or a mapping."""
    words = resources if isinstance(resources, (list, dict)) else str(resources or "").split()
    return {str(word).partition("=")[0].strip() for word in words}


def settings(subject: Subject) -> Iterator[CheckResult]:
    """Whether a job that SLURM ends has the time to save its work."""
    slurm = subject.slurm
    if slurm is None:
        return
    if (wait := slurm.seconds("KillWait")) < FLUSH_S:
        yield warn(
            f"KillWait is {wait} s: an ended job has less than the 3 to 5 s in which it writes down what it has, "
            "and some seconds of work are done again",
            f"{_ADMINISTRATORS} KillWait={FLUSH_S} or more.",
        )
        return
    default = "" if slurm.settings.get("JobRequeue") == "1" else "; JobRequeue=0 does not matter: jobs ask for it"
    yield ok(f"KillWait {wait} s, MinJobAge {slurm.seconds('MinJobAge')} s{default}")


def preemption(subject: Subject) -> Iterator[CheckResult]:
    """The effect of preemption on trainings through submitit, in their partition."""
    slurm = subject.slurm
    if slurm is None:
        return
    through = {job.partition: job for job in subject.jobs if job.asked.submitit}
    if not through:
        yield ok("not needed by this study: compute.train.submitit is not set")
    for name in through:
        if partition := slurm.partition(name):  # the check of partitions reports a missing one
            yield from _preempted(slurm, partition)


def _preempted(slurm: Slurm, partition: Partition) -> Iterator[CheckResult]:
    where = f"partition {partition.name}"
    kind = slurm.settings.get("PreemptType", "preempt/none")
    if kind.endswith("/none") or (kind.endswith("/partition_prio") and partition.preempt_mode == "OFF"):
        yield ok(f"{where}: its jobs are not preempted")
        return
    results = []
    snapshot = "a training goes on from its last snapshot, some minutes back"
    if not slurm.lists("SlurmctldParameters", "preempt_send_user_signal"):
        results.append(
            warn(
                f"{where}: its jobs are preempted without the signal that they ask for (SlurmctldParameters lacks "
                f"preempt_send_user_signal): {snapshot}",
                f"{_ADMINISTRATORS} preempt_send_user_signal.",
            )
        )
    if partition.preempt_mode == "CANCEL":
        results.append(
            warn(
                f"{where}: PreemptMode=CANCEL: preempted jobs end and are not queued again",
                "Name a partition with PreemptMode=REQUEUE in compute.train.submitit.partition.",
            )
        )
    if kind.endswith("/partition_prio") and partition.grace_s < FLUSH_S:
        results.append(
            warn(
                f"{where}: GraceTime is {partition.grace_s} s: too short for a snapshot; {snapshot}",
                f"{_ADMINISTRATORS} GraceTime on it: a minute or more.",
            )
        )
    yield from results or [
        ok(f"{where}: preempted jobs get a signal and {partition.grace_s} s, PreemptMode={partition.preempt_mode}")
    ]
