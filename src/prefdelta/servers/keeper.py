"""Keeps a server: runs its command in a process group of its own, and leaves nothing of the group behind.

A server may have processes of its own (vLLM: the engine, one worker per GPU). The kernel tells a child of its parent's
death, and no grandchild; and while vLLM loads a model it does not listen to SIGTERM. So somebody must stay who ends the
whole group, also when the job is killed with SIGKILL.

python -m prefdelta.servers.keeper <command> ...  ends with the command's exit code (128 + signal, if one killed it).
"""

import math
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial

from prefdelta.processes import die_with_parent

STOP_SECONDS = 5.0  # from SIGTERM until what is left of the group is killed
_STOPPING = (signal.SIGTERM, signal.SIGINT)
_AWAITED = (*_STOPPING, signal.SIGCHLD)


def keep(command: list[str]) -> int:
    """Run a command until it ends or a signal comes. Returns its exit code."""
    signal.signal(signal.SIGCHLD, lambda *_: None)  # one that is ignored, as by default, is not waited for either
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    process = subprocess.Popen(command, process_group=0, preexec_fn=partial(_listen, os.getpid()))
    ends = math.inf
    try:
        while process.poll() is None and (time_left := ends - time.monotonic()) > 0:
            came = signal.sigtimedwait(_AWAITED, min(time_left, 3600.0))
            if came is not None and came.si_signo in _STOPPING and ends == math.inf:
                ends = time.monotonic() + STOP_SECONDS
                process.terminate()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    return code if code >= 0 else 128 - code


def _listen(keeper: int) -> None:
    """In the server's process: undo what it inherits, and end if the keeper itself is killed."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
    die_with_parent(keeper)


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
