"""Supervises a server: runs its command in a process group of its own, and leaves nothing of the group behind.

A server may have processes of its own (vLLM: the engine, one worker per GPU, a tracker that gives shared memory back).
When the job is killed, the kernel signals its children, but not their children; and vLLM ignores SIGTERM while it loads
a model. So the supervisor stays alive to end the whole group, even if the job is killed by SIGKILL. It sends SIGTERM
first, so that the group can tidy up, and SIGKILL after STOP_SECONDS.

`python -m prefdelta.servers.supervisor <command> ...` ends with the command's exit code (128 + signal, if a signal
killed it).
"""

import ctypes
import math
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial

from prefdelta.system.processes import die_with_parent

STOP_SECONDS = 5.0  # from SIGTERM until the rest of the group is killed
_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
_STOPPING = (signal.SIGTERM, signal.SIGINT)
_AWAITED = (*_STOPPING, signal.SIGCHLD)


class _ProcessGroup:
    """The processes of one command. Each is a child of this process, or becomes one when its parent ends."""

    def __init__(self, command: list[str]) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
        # Kept, because a Popen that is deleted waits for its process, too.
        self._process = subprocess.Popen(command, process_group=0, preexec_fn=partial(_prepare, os.getpid()))
        self._leader = self._process.pid
        self.code: int | None = None  # exit code of the command; None while it runs

    def runs(self) -> bool:
        """Whether any process is left. Reaps processes that have ended."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-self._leader, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self._leader:
                    self.code = os.waitstatus_to_exitcode(status)
        return False

    def send(self, number: signal.Signals, everybody: bool) -> None:
        """Send a signal to the command alone, or to the whole group."""
        with suppress(ProcessLookupError):
            (os.killpg if everybody else os.kill)(self._leader, number)


def supervise(command: list[str]) -> int:
    """Run a command until it ends or a signal comes. Returns its exit code."""
    signal.signal(signal.SIGCHLD, lambda *_: None)  # sigtimedwait does not see ignored signals
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    group = _ProcessGroup(command)
    ends = math.inf
    rest_signalled = False
    while group.runs() and (time_left := ends - time.monotonic()) > 0:
        if group.code is not None and not rest_signalled:
            ends, rest_signalled = min(ends, time.monotonic() + STOP_SECONDS), True
            group.send(signal.SIGTERM, everybody=True)
        received = signal.sigtimedwait(_AWAITED, min(time_left, 3600.0))
        if received is not None and received.si_signo in _STOPPING and ends == math.inf:
            ends = time.monotonic() + STOP_SECONDS
            group.send(signal.SIGTERM, everybody=False)
    while group.runs():
        group.send(signal.SIGKILL, everybody=True)
        signal.sigtimedwait(_AWAITED, 0.1)
    assert group.code is not None
    return group.code if group.code >= 0 else 128 - group.code


def _prepare(supervisor: int) -> None:
    """Runs in the command's process: unblock signals, and have the process end when the supervisor is killed."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
    die_with_parent(supervisor)


if __name__ == "__main__":
    sys.exit(supervise(sys.argv[1:]))
