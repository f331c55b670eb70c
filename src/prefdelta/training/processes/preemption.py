"""The signals by which SLURM says that a job has to end soon, and will be queued again.

SIGUSR2 comes some time before the time limit, and before a preemption where the site has `preempt_send_user_signal`;
elsewhere a preemption begins with SIGTERM, like a cancellation. The training does not end at once, but after its next
update, when all its processes have saved a snapshot together.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from prefdelta.core.errors import StudyError
from prefdelta.scheduler import slurm
from prefdelta.system.log import say

_SIGNALS = (signal.SIGUSR2, signal.SIGTERM)
_END_SECONDS = 120.0  # for SLURM to end the other processes after the first one had the job queued again

_received: list[int] = []
_requeues: list[Callable[[int, FrameType | None], Any]] = []  # submitit's handlers of its signal: queue the job again


def listen() -> None:
    """From now on, only note these signals. `leave` does what submitit would do at once."""
    before = [signal.signal(number, _note) for number in _SIGNALS]
    _requeues[:] = [handler for handler in before[:1] if callable(handler)]
    signal.signal(signal.SIGCONT, signal.SIG_DFL)  # comes with these signals; submitit would log it


def was_signalled() -> bool:
    """Whether one of these signals has come since `listen`."""
    return bool(_received)


def leave(first: bool) -> NoReturn:
    """End this process after a signal. first: whether it is the first process, which has SLURM queue the job again.

    It does not ask if the job no longer runs, because it was cancelled or SLURM queues it again by itself.
    """
    job = os.environ["SLURM_JOB_ID"]
    if first and _runs(job):
        name = signal.Signals(_received[0]).name
        say(f"{name}: SLURM job {job} makes way; it is queued again, and goes on from the snapshot")
        for requeue in _requeues:
            requeue(signal.SIGUSR2, None)  # ends this process
    elif not first:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        time.sleep(_END_SECONDS)
    sys.exit(128 + _received[0])


def _runs(job: str) -> bool:
    try:
        return slurm.state(job) == "RUNNING"
    except StudyError as error:
        say(f"warning: {error}")
        return signal.SIGUSR2 in _received


def _note(number: int, _: FrameType | None) -> None:
    _received.append(number)
