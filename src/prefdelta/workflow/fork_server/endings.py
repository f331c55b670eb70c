"""How the server and its zygotes end: only with their parents, and at once."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_STOPS = (signal.SIGINT, signal.SIGTERM)


def hold_stops() -> None:
    """Hold back what stops a run's processes as a group (Ctrl-C): jobs then save their work, and need their parent."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)


def release_stops() -> None:
    """In a job: end by these signals, also by one that has come since the fork."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


def die_with_parent(parent: int, number: signal.Signals) -> None:
    """Have the kernel send a signal to this process when its parent dies; if it has died already, end now."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(128 + number)
