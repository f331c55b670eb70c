"""Training as a SLURM job of its own, through submitit: on several nodes, or where nodes may be taken back.

The process that submitted the job stays and waits. It seldom looks into the queue, because the job's processes write
most of what it must know to a file system that both see.
"""

import os
import runpy
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest
from prefdelta.core.launch import Launch
from prefdelta.scheduler import slurm
from prefdelta.system.log import say
from prefdelta.system.processes import GRACE_SECONDS, at_stop
from prefdelta.training.processes import preemption
from prefdelta.training.processes.mailbox import Mailbox

# Between two looks into the queue: 16 jobs that wait at once (the profile's local-cores) together ask once in 40 s. It
# can be rare, because a break of a process is in the mailbox at once, and SLURM is then asked about the job.
LOOK_SECONDS = 640.0
BROKEN_SECONDS = 5.0  # between two looks after a process broke
FOLLOW_SECONDS = 1.0  # between two looks into the logs of the processes
FILES_SECONDS = 30.0  # that a shared file system may take to show the last output of a process
END_SECONDS = 10.0  # in which processes that trained well end by themselves
PORTS = range(20_000, 32_000)  # of the rendezvous, below the ports that systems assign by themselves


class SlurmProcesses:
    """The processes of a job: `Launch.tasks` on each of its nodes."""

    def __init__(self, worker: str, mailbox: Mailbox, launch: Launch, about: str) -> None:
        """Submit the job. worker: the module that each process runs. about: what to call the job in the queue.

        Raises StudyError if SLURM refuses the job, or is not installed.
        """
        assert launch.submitit is not None
        self.count = launch.submitit.nodes * launch.tasks
        self._mailbox = mailbox
        self._job = _submit(RankMain(worker, mailbox.folder.resolve()), mailbox.folder.parent / "slurm", launch, about)
        say(f"training in SLURM job {self._job.job_id}: {self.count} process(es) on {launch.submitit.nodes} node(s)")
        self._paths = [self._job.task(rank).paths for rank in range(self.count)]
        self._logs = [_Log(paths.stderr, f"[{rank}] " if rank else "") for rank, paths in enumerate(self._paths)]
        self._state: str | None = "PENDING"
        self._ended_at: float | None = None
        self._looked = self._followed = time.monotonic()
        self._over = threading.Event()
        self._until_over = ExitStack()
        self._until_over.enter_context(at_stop(self._cancel_in_time))

    def running(self) -> bool:
        now = time.monotonic()
        if now - self._followed >= FOLLOW_SECONDS:
            self._followed = now
            self._follow()
        if now - self._looked >= (BROKEN_SECONDS if self._mailbox.broken() else LOOK_SECONDS):
            self._looked = now
            self._look()
        if self._mailbox.result() or any(self._mailbox.error()):
            return False
        if self._ended_at is None or now - self._ended_at < FILES_SECONDS:
            return True
        self._look()
        return self._ended_at is None  # a job that SLURM queues again counts as ended for a moment

    def end(self) -> None:
        ends = time.monotonic() + END_SECONDS
        while self._mailbox.result() and not self._have_returned() and time.monotonic() < ends:
            time.sleep(0.2)
        if self._ended_at is None and not self._have_returned():
            self._cancel()
        self._over.set()
        self._until_over.close()
        self._follow()

    def check(self) -> None:
        if self._mailbox.result():
            return
        job, state = self._job.job_id, self._state
        if state == "OUT_OF_MEMORY":
            raise MemoryError(f"SLURM job {job}")
        ended = f"ended as {state}" if state else "is no longer known to SLURM, and ended"
        broken = self._mailbox.broken()
        raise StudyError(
            f"SLURM job {job} {ended} before the training did{f' ({broken})' if broken else ''}; what its processes "
            f"wrote is above in this log, and in {self._paths[0].folder}. The same command goes on from the last "
            "snapshot."
        )

    def _look(self) -> None:
        """Ask SLURM for the job's state. Submitit would ask SLURM's accounting, which not every site has."""
        job = self._job.job_id
        try:
            state = slurm.state(job)
        except StudyError as error:  # SLURM may be unreachable for a while; the training goes on
            say(f"warning: {error}")
            return
        if state != self._state:
            say(f"SLURM job {job}: {state or 'no longer known'}")
        self._state = state
        if state == "PENDING":  # queued again: the break was the loss of a node, not the training
            self._mailbox.forget_break()
        ended = state is None or state in slurm.ENDED
        self._ended_at = (self._ended_at or time.monotonic()) if ended else None

    def _follow(self) -> None:
        """Copy what the processes wrote since the last call to this process's log."""
        for log in self._logs:
            log.follow()

    def _have_returned(self) -> bool:
        return all(paths.result_pickle.exists() for paths in self._paths)

    def _cancel(self) -> None:
        self._mailbox.close()
        self._job.cancel(check=False)

    def _cancel_in_time(self) -> None:
        """Runs at a signal: the main thread has time for a snapshot; then the job is cancelled in any case."""
        if not self._over.wait(GRACE_SECONDS - 1):
            self._cancel()


class RankMain:
    """The function that submitit runs in each process of the job, and again when SLURM has queued the job again."""

    def __init__(self, worker: str, folder: Path) -> None:
        self.worker, self.folder = worker, folder

    def __call__(self) -> None:
        os.environ |= rendezvous(os.environ)
        preemption.listen()
        sys.argv = [self.worker, str(self.folder)]
        try:
            runpy.run_module(self.worker, run_name="__main__", alter_sys=True)
        except Exception as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{at.filename}, line {at.lineno}, in {at.name}"
            Mailbox(self.folder).put_break(f"process {os.environ['RANK']}: {type(error).__name__}: {error}, in {where}")
            raise

    def checkpoint(self) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def rendezvous(environment: Mapping[str, str]) -> dict[str, str]:
    """A process's variables for torch, from those of SLURM: its rank, and the address of the first process."""
    start = digest([environment["SLURM_JOB_ID"], environment.get("SLURM_RESTART_COUNT", "0")])
    tasks, nodes = environment["SLURM_NTASKS"], environment["SLURM_JOB_NUM_NODES"]
    threads = environment.get("SLURM_CPUS_PER_TASK", "1")  # until the recipe sets the number
    return {
        "RANK": environment["SLURM_PROCID"],
        "WORLD_SIZE": tasks,
        "LOCAL_RANK": environment["SLURM_LOCALID"],
        "LOCAL_WORLD_SIZE": str(int(tasks) // int(nodes)),
        "MASTER_ADDR": environment["SLURM_LAUNCH_NODE_IPADDR"],  # of the first node; SLURM's names may not resolve
        "MASTER_PORT": str(PORTS[int(start, 16) % len(PORTS)]),
        "OMP_NUM_THREADS": environment.get("OMP_NUM_THREADS", threads),
    }


def parameters(launch: Launch) -> dict[str, Any]:
    """The parameters of submitit's job script; their names are those of sbatch."""
    assert launch.submitit is not None
    cpus, cluster = max(1, launch.cpus // launch.tasks), launch.cluster
    gpus = f"{cluster.gpu_model}:{launch.gpus}" if cluster.gpu_model else str(launch.gpus)
    return {
        "job_name": "prefdelta-train",
        "nodes": launch.submitit.nodes,
        "ntasks_per_node": launch.tasks,
        "gpus_per_node": gpus if launch.gpus else None,
        "cpus_per_task": cpus,
        "mem": f"{launch.mem_mb}M",
        "time": launch.runtime,
        "partition": launch.partition,
        "account": cluster.account,
        "qos": cluster.qos,
        "constraint": cluster.constraint,
        "wckey": None,  # submitit sets its own, which SLURM may not know
        "signal_delay_s": launch.submitit.warning_s,
        # srun does not inherit sbatch's CPUs. Without --kill-on-bad-exit a failed process leaves others waiting.
        "srun_args": [f"--cpus-per-task={cpus}", "--kill-on-bad-exit=1"],
        "additional_parameters": {"requeue": True},
    }


def _submit(main: RankMain, folder: Path, launch: Launch, about: str) -> Any:
    """Submit the job. folder: for submitit's files."""
    from submitit.core.utils import FailedJobError, FailedSubmissionError
    from submitit.helpers import clean_env, environment_variables
    from submitit.slurm.slurm import SlurmExecutor

    assert launch.submitit is not None
    if not slurm.is_here():
        raise StudyError("compute.train.submitit asks SLURM for a job, and this machine has no SLURM.")
    executor = SlurmExecutor(folder, max_num_timeout=launch.submitit.requeues)
    executor.update_parameters(**parameters(launch))
    # Snakemake itself may run in a job; the new job must not inherit its size and place.
    kept = {name: os.environ[name] for name in ("SLURM_CONF",) if name in os.environ}
    try:
        with clean_env(), environment_variables(**kept, PREFDELTA_ABOUT=about):
            return executor.submit(main)
    except (FailedJobError, FailedSubmissionError) as error:
        raise StudyError(f"SLURM refused the job of {about}: {error}") from None


class _Log:
    """The log of a process, followed line by line."""

    def __init__(self, path: Path, mark: str) -> None:
        self._path, self._mark = path, mark
        self._position = 0

    def follow(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return
        self._position += len(whole) + len(newline)
        for line in whole.decode("utf-8", "replace").splitlines():
            say(f"{self._mark}{line}")
