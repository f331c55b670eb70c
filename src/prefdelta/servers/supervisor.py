"""Keeps a server: runs its command in a process group of its own, and leaves nothing of the group behind.

A server may have processes of its own (vLLM: the engine, one worker per GPU, a tracker that gives shared memory back).
The kernel tells a child of its parent's death, and no grandchild; and while vLLM loads a model it does not listen to
SIGTERM. So somebody must stay who ends the whole group, also when the job is killed with SIGKILL: first by SIGTERM, so
that it can tidy up, and after STOP_SECONDS by SIGKILL.

python -m prefdelta.servers.supervisor <command> ...  ends with the command's exit code (128 + signal, if one
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

STOP_SECONDS = 5.0  # from SIGTERM until what is left of the group is killed
_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
_STOPPING = (signal.SIGTERM, signal.SIGINT)
_AWAITED = (*_STOPPING, signal.SIGCHLD)


class _Group:
    """The processes of one command, all of which are children of this process, at the latest when their parent ends."""

    def __init__(self, command: list[str]) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
        # Kept, because its end would wait for the process, too.
        self._process = subprocess.Popen(command, process_group=0, preexec_fn=partial(_listen, os.getpid()))
        self._leader = self._process.pid
        self.code: int | None = None  # of the command; None as long as it runs

    def runs(self) -> bool:
        """Whether there is still one. Waits for those that have ended."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-self._leader, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self._leader:
                    self.code = os.waitstatus_to_exitcode(status)
        return False

    def tell(self, number: signal.Signals, everybody: bool) -> None:
        """Send a signal to the command alone, or to all."""
        with suppress(ProcessLookupError):
            (os.killpg if everybody else os.kill)(self._leader, number)


def keep(command: list[str]) -> int:
    """Run a command until it ends or a signal comes. Returns its exit code."""
    signal.signal(signal.SIGCHLD, lambda *_: None)  # one that is ignored, as by default, is not waited for either
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    group = _Group(command)
    ends = math.inf
    rest_told = False
    while group.runs() and (time_left := ends - time.monotonic()) > 0:
        if group.code is not None and not rest_told:
            ends, rest_told = min(ends, time.monotonic() + STOP_SECONDS), True
            group.tell(signal.SIGTERM, everybody=True)
        came = signal.sigtimedwait(_AWAITED, min(time_left, 3600.0))
        if came is not None and came.si_signo in _STOPPING and ends == math.inf:
            ends = time.monotonic() + STOP_SECONDS
            group.tell(signal.SIGTERM, everybody=False)
    while group.runs():
        group.tell(signal.SIGKILL, everybody=True)
        signal.sigtimedwait(_AWAITED, 0.1)
    assert group.code is not None
    return group.code if group.code >= 0 else 128 - group.code


def _listen(keeper: int) -> None:
    """In the command's process: undo what it inherits, and have it end if the keeper itself is killed."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
    die_with_parent(keeper)


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
